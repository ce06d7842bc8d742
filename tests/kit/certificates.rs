//! Certificates for tests: an authority, and what it issues, as PEM files.
//!
//! Leaves out dates and revocation: all are good for centuries.

use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, SanType};

/// Somebody whose signature makes certificates good.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// Where a certificate and its key lie.
#[derive(Clone, Debug)]
pub struct Files {
    /// The certificate.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

impl Authority {
    /// One with a key of its own.
    pub fn new() -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// Writes its own certificate into `folder`; the file.
    pub fn file(&self, folder: &Path, name: &str) -> PathBuf {
        write(folder, &format!("{name}.pem"), &self.0.pem())
    }

    /// Writes a new certificate for `names` (hosts, addresses, `sip:` URIs) and its key into `folder`, over those of this
    /// name that are there.
    pub fn issue(&self, folder: &Path, name: &str, names: &[&str]) -> Files {
        let (uris, hosts): (Vec<&str>, Vec<&str>) = names.iter().partition(|name| name.starts_with("sip:"));
        let mut params =
            CertificateParams::new(hosts.into_iter().map(str::to_owned).collect::<Vec<_>>()).unwrap();
        params.subject_alt_names.extend(uris.into_iter().map(|uri| SanType::URI(uri.try_into().unwrap())));
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Files {
            key: write(folder, &format!("{name}.key"), &key.serialize_pem()),
            certificate: write(folder, &format!("{name}.pem"), &certificate.pem()),
        }
    }
}

fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
    std::fs::create_dir_all(folder).unwrap();
    let file = folder.join(name);
    std::fs::write(&file, text).unwrap();
    file
}
