// Verify a webhook of Mohar: Node's own library is enough.
import { createHmac, timingSafeEqual } from "node:crypto";

const TOLERANCE_SECONDS = 300;

/** Whether it is genuine and fresh. `headers` as Node has them, `body` the Buffer as it came, before any parsing. */
export function verify(secret, headers, body) {
  const key = Buffer.from(secret.replace(/^whsec_/, ""), "base64");
  const at = headers["webhook-timestamp"];
  const hmac = createHmac("sha256", key).update(`${headers["webhook-id"]}.${at}.`).update(body);
  const expected = Buffer.from(`v1,${hmac.digest("base64")}`);
  const given = headers["webhook-signature"].split(" ").map((each) => Buffer.from(each));
  const isFresh = Math.abs(Date.now() / 1000 - Number(at)) <= TOLERANCE_SECONDS;
  return isFresh && given.some((each) => each.length === expected.length && timingSafeEqual(each, expected));
}
