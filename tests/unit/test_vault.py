"""Sealing, and the file of master keys."""

from __future__ import annotations

import os
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.auth.vault import (
    MasterKeyFile,
    MasterKeyVault,
    create_master_key,
    prepare_master_key,
    promote_master_key,
    read_master_keys,
    read_pepper,
)
from gateway.errors import Misconfigured

OLD = {"00000001": bytes(range(32))}
NEW = OLD | {"00000002": bytes(range(32, 64))}
CONTEXT = "routes|client_secret|sandbox"


def _vault(keys: dict[str, bytes] = OLD) -> MasterKeyVault:
    return MasterKeyVault(keys, os.urandom)


@given(st.binary(max_size=200), st.text(max_size=20))
def test_what_was_sealed_opens_again(secret: bytes, context: str) -> None:
    """Any bytes come back under the context that they were sealed with, and do not show in between."""
    sealed = _vault().seal(secret, context=context)
    assert _vault().open(sealed, context=context) == secret
    assert len(sealed) == 1 + 4 + 12 + len(secret) + 16
    if len(secret) > 3:
        assert secret not in sealed


def test_the_same_secret_never_looks_the_same() -> None:
    """Two seals of one secret tell nobody that they are one."""
    assert _vault().seal(b"secret", context=CONTEXT) != _vault().seal(b"secret", context=CONTEXT)


def test_a_sealed_value_does_not_open_in_another_row() -> None:
    """A value that was copied into another row, or another column, is refused."""
    sealed = _vault().seal(b"secret", context=CONTEXT)
    with pytest.raises(Misconfigured) as refusal:
        _vault().open(sealed, context="routes|client_secret|live")
    assert refusal.value.code == "sealed-value-foreign"
    assert "secret" not in refusal.value.message.replace(CONTEXT, "").replace("client_secret", "")


@pytest.mark.parametrize("at", range(1 + 4 + 12 + 6 + 16))
def test_no_byte_of_a_sealed_value_can_be_changed(at: int) -> None:
    """Format, key id, nonce, ciphertext and tag: one flipped bit and it does not open."""
    sealed = bytearray(_vault(NEW).seal(b"secret", context=CONTEXT))
    sealed[at] ^= 1
    with pytest.raises(Misconfigured):
        _vault(NEW).open(bytes(sealed), context=CONTEXT)


@pytest.mark.parametrize("length", range(1 + 4 + 12 + 6 + 16))
def test_a_sealed_value_that_was_cut_off_does_not_open(length: int) -> None:
    """Whatever is left of a value that lost its end is refused as misconfigured, never with another error."""
    sealed = _vault().seal(b"secret", context=CONTEXT)[:length]
    with pytest.raises(Misconfigured):
        _vault().open(sealed, context=CONTEXT)


def test_a_key_is_changed_by_adding_one() -> None:
    """The newest key seals; what older keys sealed still opens; without the old key it does not."""
    before = _vault(OLD).seal(b"secret", context=CONTEXT)
    after = _vault(NEW).seal(b"secret", context=CONTEXT)
    assert _vault(NEW).open(before, context=CONTEXT) == b"secret"
    assert after[1:5].hex() == "00000002"
    with pytest.raises(Misconfigured) as refusal:
        _vault(OLD).open(after, context=CONTEXT)
    assert refusal.value.code == "master-key-unknown"
    assert "00000002" in refusal.value.message


def test_there_is_no_vault_without_a_key() -> None:
    """A gateway without a master key does not start."""
    with pytest.raises(Misconfigured) as refusal:
        _vault({})
    assert refusal.value.code == "master-key-missing"


def test_a_new_key_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    """The file that is made has one good key, and nobody else may read it."""
    path = tmp_path / "data" / "master.key"
    create_master_key(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    [key] = read_master_keys(path).values()
    assert len(key) == 32


def test_a_key_file_is_never_replaced(tmp_path: Path) -> None:
    """A second start keeps the key of the first: without it every sealed value would be lost."""
    path = tmp_path / "master.key"
    create_master_key(path)
    before = path.read_bytes()
    create_master_key(path)
    assert path.read_bytes() == before


def test_two_new_key_files_have_two_keys(tmp_path: Path) -> None:
    """Keys are random."""
    for name in ("a", "b"):
        create_master_key(tmp_path / name)
    assert read_master_keys(tmp_path / "a") != read_master_keys(tmp_path / "b")


def test_keys_are_read_oldest_first(tmp_path: Path) -> None:
    """The order of the lines is the order of the keys."""
    path = tmp_path / "master.key"
    path.write_text("".join(f"{key_id}:{key.hex()}\n" for key_id, key in NEW.items()))
    assert list(read_master_keys(path).items()) == list(NEW.items())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "00000001",
        "00000001:",
        "00000001:" + "00" * 31,
        "00000001:" + "00" * 33,
        "0001:" + "00" * 32,
        "zzzzzzzz:" + "00" * 32,
        "00000001:" + "zz" * 32,
        "00000001:" + "00" * 32 + ":more",
        "00000001:" + "00" * 32 + "\n00000002:short",
        "00000001:" + "00" * 32 + ":standby",
        "00000001:" + "00" * 32 + "\n00000002:" + "11" * 32 + ":standby:more",
        "0000000a:" + "00" * 32 + "\n0000000A:" + "11" * 32,
    ],
)
def test_a_key_file_in_another_form_is_refused(tmp_path: Path, text: str) -> None:
    """A file that is empty, cut off or mistyped stops the start, and its content is not shown."""
    path = tmp_path / "master.key"
    path.write_text(text)
    with pytest.raises(Misconfigured) as refusal:
        read_master_keys(path)
    assert refusal.value.code == "master-key-unreadable"
    assert "00" * 31 not in str(refusal.value)


def test_a_key_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """A wrong path is named."""
    with pytest.raises(Misconfigured, match=r"nowhere\.key"):
        read_master_keys(tmp_path / "nowhere.key")


def _following(path: Path) -> MasterKeyVault:
    return MasterKeyVault(read_master_keys(path), os.urandom, changed=MasterKeyFile(path).changed)


def test_a_running_vault_follows_its_file(tmp_path: Path) -> None:
    """A key on standby opens everywhere before it seals anywhere; once promoted it seals, without a restart."""
    path = tmp_path / "master.key"
    create_master_key(path)
    pepper = read_pepper(path)
    here, there = _following(path), _following(path)
    before = here.seal(b"secret", context=CONTEXT)
    key_id = prepare_master_key(path)
    assert here.newest() != key_id
    promote_master_key(path, key_id)
    after = here.seal(b"secret", context=CONTEXT)
    assert here.key_of(after) == key_id == there.newest()
    assert [there.open(sealed, context=CONTEXT) for sealed in (before, after)] == [b"secret", b"secret"]
    assert read_pepper(path) == pepper
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_value_of_a_key_that_came_meanwhile_opens(tmp_path: Path) -> None:
    """Another process was the first to seal with it."""
    path = tmp_path / "master.key"
    create_master_key(path)
    here = _following(path)
    promote_master_key(path, prepare_master_key(path))
    sealed = _following(path).seal(b"secret", context=CONTEXT)
    assert here.open(sealed, context=CONTEXT) == b"secret"


def test_a_file_that_broke_meanwhile_changes_nothing(tmp_path: Path) -> None:
    """A running vault goes on with the keys that it has, and takes the file again once it is whole."""
    path = tmp_path / "master.key"
    create_master_key(path)
    good = path.read_text()
    here = _following(path)
    sealed = here.seal(b"secret", context=CONTEXT)
    path.write_text("broken")
    assert here.open(here.seal(b"other", context=CONTEXT), context=CONTEXT) == b"other"
    path.unlink()
    assert here.open(sealed, context=CONTEXT) == b"secret"
    path.write_text(good)
    promote_master_key(path, key_id := prepare_master_key(path))
    assert here.newest() == key_id


def test_a_file_that_is_just_being_copied_takes_no_key_away(tmp_path: Path) -> None:
    """Of a copy that has come as far as its first line the first key is read, and the others are known from before."""
    path = tmp_path / "master.key"
    create_master_key(path)
    promote_master_key(path, key_id := prepare_master_key(path))
    here = _following(path)
    sealed = here.seal(b"secret", context=CONTEXT)
    whole = path.read_text()
    path.write_text(whole.splitlines(keepends=True)[0])
    assert here.newest() != key_id
    assert here.open(sealed, context=CONTEXT) == b"secret"
    path.write_text(whole)
    assert here.newest() == key_id


def test_threads_that_meet_a_new_key_together_all_open_with_it() -> None:
    """One of them takes the change in, and the others wait for it instead of calling the key unknown."""
    changes, taken, opened = [NEW], threading.Event(), threading.Event()

    def changed() -> dict[str, bytes] | None:
        if not changes:
            return None
        found = changes.pop()
        taken.set()
        opened.wait(0.2)  # nobody can, before this returns
        return found

    sealed = _vault(NEW).seal(b"secret", context=CONTEXT)
    vault = MasterKeyVault(OLD, os.urandom, changed=changed)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(vault.open, sealed, context=CONTEXT)
        taken.wait()
        second = pool.submit(vault.open, sealed, context=CONTEXT)
        second.add_done_callback(lambda _: opened.set())
    assert [each.result() for each in (first, second)] == [b"secret", b"secret"]


def test_only_a_prepared_key_is_promoted(tmp_path: Path) -> None:
    """A typing error does not change which key seals."""
    path = tmp_path / "master.key"
    create_master_key(path)
    before = path.read_text()
    [known] = read_master_keys(path)
    for key_id in ("00000009", known):
        with pytest.raises(Misconfigured) as refusal:
            promote_master_key(path, key_id)
        assert refusal.value.code == "master-key-not-prepared"
    assert path.read_text() == before
