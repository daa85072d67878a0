//! The secret that a viewer must know.

use super::RemoteError;
use std::{
    fmt,
    fs::File,
    hint::black_box,
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

/// 32 random bytes, kept in a file as 64 hexadecimal digits. They are shown nowhere else.
#[derive(Clone)]
pub struct Token([u8; BYTES]);

const BYTES: usize = 32;

/// The most that is read of a file that may be anything.
const READ: u64 = 1024;

impl Token {
    /// A new token, from the randomness of the system.
    ///
    /// # Errors
    /// When the system has none.
    pub fn new() -> Result<Self, RemoteError> {
        random().map(Self)
    }

    /// The token in the file at `path`, in which a new one is written if there is no such file.
    ///
    /// # Errors
    /// As [`read`](Self::read), and when the file cannot be written.
    pub fn read_or_make(path: &Path) -> Result<Self, RemoteError> {
        match Self::read(path) {
            Err(RemoteError::TokenFile { what, .. }) if what.kind() == io::ErrorKind::NotFound => {}
            read => return read,
        }
        let token = Self::new()?;
        match token.write(path) {
            // Another process was faster.
            Err(source) if source.kind() == io::ErrorKind::AlreadyExists => Self::read(path),
            written => written.map(|()| token).map_err(|source| token_file(path, source)),
        }
    }

    /// The token in the file at `path`.
    ///
    /// # Errors
    /// When there is none, or when other users can read it.
    pub fn read(path: &Path) -> Result<Self, RemoteError> {
        let file = File::open(path).map_err(|source| token_file(path, source))?;
        if path.is_dir() {
            return Err(token_file(path, io::ErrorKind::IsADirectory.into()));
        }
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let metadata = file.metadata().map_err(|source| token_file(path, source))?;
            if metadata.permissions().mode() & 0o077 != 0 {
                return Err(RemoteError::OpenToken { path: path.to_owned() });
            }
        }
        let mut text = Vec::new();
        file.take(READ).read_to_end(&mut text).map_err(|source| token_file(path, source))?;
        std::str::from_utf8(&text)
            .ok()
            .and_then(|text| Self::from_hex(text.trim()))
            .ok_or_else(|| RemoteError::NoToken { path: path.to_owned() })
    }

    /// Writes a file that only this user can read, in full or not at all, where none is yet.
    fn write(&self, path: &Path) -> io::Result<()> {
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        // Temporary files are private to their owner.
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        writeln!(file, "{}", self.to_hex())?;
        file.as_file().sync_all()?;
        file.persist_noclobber(path)?;
        Ok(())
    }

    /// What a viewer sends, and what is in the file.
    pub(super) fn to_hex(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn from_hex(text: &str) -> Option<Self> {
        let digits: Vec<u8> =
            text.chars().map(|digit| digit.to_digit(16)?.try_into().ok()).collect::<Option<_>>()?;
        let bytes: Vec<u8> = digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect();
        (digits.len() == 2 * BYTES).then_some(Self(bytes.try_into().ok()?))
    }

    /// Whether `hex` is this token. How long the answer takes does not tell how much of it is right.
    pub(super) fn is(&self, hex: &str) -> bool {
        let Some(other) = Self::from_hex(hex) else { return false };
        let pairs = self.0.iter().zip(other.0);
        black_box(pairs.fold(0, |differing, (one, other)| black_box(differing | (one ^ other))))
            == 0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(secret)")
    }
}

fn token_file(path: &Path, what: io::Error) -> RemoteError {
    RemoteError::TokenFile { path: PathBuf::from(path), what }
}

/// Bytes that no other program can predict.
pub(super) fn random<const N: usize>() -> Result<[u8; N], RemoteError> {
    let mut bytes = [0; N];
    let provider = rustls::crypto::ring::default_provider();
    provider.secure_random.fill(&mut bytes).map_err(|_| RemoteError::NoRandomness)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_made_once_is_private_and_is_shown_nowhere() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("token");
        let made = Token::read_or_make(&path).expect("can be made");
        let read = Token::read_or_make(&path).expect("is there");
        assert!(made.is(&read.to_hex()) && made.is(&read.to_hex().to_uppercase()));
        assert_eq!(format!("{made:?}"), "Token(secret)");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let set = |mode| std::fs::set_permissions(&path, PermissionsExt::from_mode(mode));
            let mode = std::fs::metadata(&path).expect("is there").permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
            set(0o640).expect("can be set");
            let text = Token::read_or_make(&path).expect_err("is readable").to_string();
            assert!(text.contains("chmod 600"), "{text}");
            set(0o600).expect("can be set");
        }
        for text in
            ["", "abc", &made.to_hex()[1..], &format!("{}0", made.to_hex()), &"x".repeat(64)]
        {
            std::fs::write(&path, text).expect("can be written");
            let error = Token::read_or_make(&path).expect_err("is no token").to_string();
            assert!(error.contains("64 hexadecimal digits") && error.contains("delete"), "{error}");
        }
        let missing = folder.path().join("missing/token");
        let error = Token::read_or_make(&missing).expect_err("has no folder").to_string();
        assert!(error.contains("missing/token"), "{error}");
    }

    #[test]
    fn one_wrong_bit_is_another_token() {
        let token = Token::new().expect("a token");
        let hex = token.to_hex();
        for place in 0..hex.len() {
            let digit = u8::from_str_radix(&hex[place..=place], 16).expect("a digit");
            let wrong = format!("{}{:x}{}", &hex[..place], digit ^ 1, &hex[place + 1..]);
            assert!(!token.is(&wrong), "{place}");
        }
        assert!(token.is(&hex) && !token.is("") && !token.is(&hex[2..]) && !token.is("ä"));
    }
}
