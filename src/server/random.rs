//! Random numbers from the kernel.

use rustix::rand::GetRandomFlags;

/// An unpredictable number.
pub(super) fn seed() -> u64 {
    let mut bytes = [0; 8];
    let filled = rustix::rand::getrandom(&mut bytes, GetRandomFlags::empty());
    assert_eq!(filled, Ok(bytes.len()), "the kernel gives 8 random bytes at once");
    u64::from_ne_bytes(bytes)
}

/// A key that nobody can guess.
pub(super) fn secret_key() -> [u8; 32] {
    let mut key = [0; 32];
    let filled = rustix::rand::getrandom(&mut key, GetRandomFlags::empty());
    assert_eq!(filled, Ok(key.len()), "the kernel gives 32 random bytes at once");
    key
}
