<?php
// Verify a webhook of Mohar: PHP's own functions are enough.
const TOLERANCE_SECONDS = 300;

/** Whether it is genuine and fresh. $headers by names in lower case, $body from file_get_contents('php://input'). */
function verify(string $secret, array $headers, string $body): bool
{
    $key = base64_decode(preg_replace('/^whsec_/', '', $secret), true);
    $at = $headers['webhook-timestamp'];
    $message = $headers['webhook-id'] . '.' . $at . '.' . $body;
    $expected = 'v1,' . base64_encode(hash_hmac('sha256', $message, $key, true));
    $given = explode(' ', $headers['webhook-signature']);
    $isFresh = abs(time() - (int) $at) <= TOLERANCE_SECONDS;
    return $isFresh && array_filter($given, fn (string $each) => hash_equals($expected, $each)) !== [];
}
