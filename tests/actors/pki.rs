//! Certificates of one test, and how its phones connect with them.

use std::path::PathBuf;
use std::sync::Arc;

use baton_engine::settings::Tls;
use baton_tests::certificates::{Authority, Files};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion};
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// A test's certificates.
pub(crate) struct Pki {
    authority: Authority,
    pub(crate) ca: PathBuf,
    folder: PathBuf,
}

impl Pki {
    pub(crate) fn new(name: &str) -> Self {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("tls").join(name);
        let authority = Authority::new();
        Self { ca: authority.file(&folder, "ca"), authority, folder }
    }

    pub(crate) fn issue(&self, name: &str, names: &[&str]) -> Files {
        self.authority.issue(&self.folder, name, names)
    }

    /// What a node is to have.
    pub(crate) fn node(&self) -> Tls {
        let Files { certificate, key } = self.issue("node", &["127.0.0.1"]);
        Tls { certificate, key, ca: Some(self.ca.clone()), client_ca: None }
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(&self.ca).unwrap()).unwrap();
        roots
    }

    /// How a phone connects: with a certificate if it has one.
    pub(crate) fn client(
        &self,
        version: &'static SupportedProtocolVersion,
        own: Option<&Files>,
    ) -> TlsConnector {
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder =
            builder.with_protocol_versions(&[version]).unwrap().with_root_certificates(self.roots());
        let config = match own {
            None => builder.with_no_client_auth(),
            Some(files) => {
                let (chain, key) = read(files);
                builder.with_client_auth_cert(chain, key).unwrap()
            }
        };
        Arc::new(config).into()
    }

    /// How a phone is connected to.
    pub(crate) fn server(&self, files: &Files) -> TlsAcceptor {
        let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        let (chain, key) = read(files);
        Arc::new(builder.with_single_cert(chain, key).unwrap()).into()
    }
}

fn read(files: &Files) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
    let chain = vec![CertificateDer::from_pem_file(&files.certificate).unwrap()];
    (chain, PrivateKeyDer::from_pem_file(&files.key).unwrap())
}
