//! TLS under SIP (RFC 3261 §26.3.1): certificates from files, read again when they change; whose the far end's is (RFC 5922).
//!
//! 1.2 and 1.3, with ring's algorithms. Leaves out revocation: a certificate is as good as its dates and who has signed it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;

use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{
    self, CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, ServerConfig, SignatureScheme,
};
use webpki::EndEntityCert;

use crate::settings::Tls;

/// What cannot be used of the files, as the rest of a sentence that names the file.
#[derive(Debug)]
pub(crate) struct TlsFault {
    /// The key of the settings it belongs to.
    pub(crate) key: &'static str,
    /// The sentence.
    pub(crate) problem: String,
}

impl fmt::Display for TlsFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sip.tls.{}: {}", self.key, self.problem)
    }
}

impl TlsFault {
    fn new(key: &'static str, path: &Path, problem: impl fmt::Display) -> Self {
        Self { key, problem: format!("{} {problem}", path.display()) }
    }
}

/// How we present ourselves and whom we believe, as both ends of a handshake.
#[derive(Clone)]
pub(super) struct Configs {
    pub(super) server: Arc<ServerConfig>,
    pub(super) client: Arc<ClientConfig>,
}

/// The files and what was read of them last.
#[derive(Clone)]
pub(crate) struct Certificates {
    files: Tls,
    current: Arc<RwLock<Configs>>,
}

impl Certificates {
    /// Reads the files.
    ///
    /// # Errors
    /// The first of them that cannot be used.
    pub(crate) fn read(files: Tls) -> Result<Self, TlsFault> {
        let current = Arc::new(RwLock::new(load(&files)?));
        Ok(Self { files, current })
    }

    /// What the next handshake goes by.
    pub(super) fn current(&self) -> Configs {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// When each of the files was changed last.
    pub(super) fn changed(&self) -> Vec<Option<SystemTime>> {
        let changed = |path: &PathBuf| std::fs::metadata(path).and_then(|data| data.modified()).ok();
        let files = &self.files;
        [Some(&files.certificate), Some(&files.key), files.ca.as_ref(), files.client_ca.as_ref()]
            .into_iter()
            .flatten()
            .map(changed)
            .collect()
    }

    /// Reads the files again, for the handshakes to come. What is wrong with them leaves all as it was.
    pub(super) fn reload(&self) -> Result<(), TlsFault> {
        let fresh = load(&self.files)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }
}

/// Everything that is wrong with the files; at most one fault for each.
pub(crate) fn faults(files: &Tls) -> Vec<TlsFault> {
    let chain = certificates("certificate", &files.certificate).err();
    let key = key(&files.key).err();
    let roots = |key, path: &Option<PathBuf>| path.as_ref().and_then(|path| roots(key, path).err());
    let mut faults: Vec<TlsFault> =
        [chain, key, roots("ca", &files.ca), roots("client_ca", &files.client_ca)]
            .into_iter()
            .flatten()
            .collect();
    if faults.is_empty() {
        faults.extend(load(files).err());
    }
    faults
}

fn load(files: &Tls) -> Result<Configs, TlsFault> {
    let provider = Arc::new(ring::default_provider());
    let (chain, key) = (certificates("certificate", &files.certificate)?, key(&files.key)?);
    let server = server(files, &provider, chain.clone(), key.clone_key())?;
    let client = client(files, &provider, chain, key)?;
    Ok(Configs { server: Arc::new(server), client: Arc::new(client) })
}

/// The words for a certificate and key that do not go together, and for what else rustls finds.
fn unusable(files: &Tls) -> impl Fn(rustls::Error) -> TlsFault {
    move |error| {
        TlsFault::new("certificate", &files.certificate, format!("cannot be used with the key: {error}"))
    }
}

fn server(
    files: &Tls,
    provider: &Arc<CryptoProvider>,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<ServerConfig, TlsFault> {
    let builder = ServerConfig::builder_with_provider(provider.clone());
    let builder = builder.with_safe_default_protocol_versions().map_err(unusable(files))?;
    let builder = match &files.client_ca {
        Some(path) => {
            let roots = Arc::new(roots("client_ca", path)?);
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider.clone()).build();
            builder
                .with_client_cert_verifier(verifier.map_err(|error| TlsFault::new("client_ca", path, error))?)
        }
        None => builder.with_no_client_auth(),
    };
    builder.with_single_cert(chain, key).map_err(unusable(files))
}

fn client(
    files: &Tls,
    provider: &Arc<CryptoProvider>,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<ClientConfig, TlsFault> {
    let roots = match &files.ca {
        Some(path) => roots("ca", path)?,
        None => system_roots(),
    };
    let builder = ClientConfig::builder_with_provider(provider.clone());
    let builder = builder.with_safe_default_protocol_versions().map_err(unusable(files))?;
    let inner = match roots.is_empty() {
        // A machine without roots can be called, and calls nobody.
        true => None,
        false => {
            let built =
                WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build();
            let path = files.ca.as_deref().unwrap_or(&files.certificate);
            Some(built.map_err(|error| TlsFault::new("ca", path, error))?)
        }
    };
    let verifier = Arc::new(SipVerifier { inner, provider: provider.clone() });
    let builder = builder.dangerous().with_custom_certificate_verifier(verifier);
    builder.with_client_auth_cert(chain, key).map_err(unusable(files))
}

/// The certificates of a PEM file, the first of them its own.
fn certificates(key: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsFault> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match read {
        Ok(found) if found.is_empty() => Err(TlsFault::new(key, path, "holds no certificate in PEM")),
        Ok(found) => Ok(found),
        Err(error) => Err(TlsFault::new(key, path, format!("cannot be read: {error}"))),
    }
}

fn key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsFault> {
    PrivateKeyDer::from_pem_file(path)
        .map_err(|error| TlsFault::new("key", path, format!("holds no private key in PEM: {error}")))
}

/// Those whose signature makes a certificate good.
fn roots(key: &'static str, path: &Path) -> Result<RootCertStore, TlsFault> {
    let mut store = RootCertStore::empty();
    for certificate in certificates(key, path)? {
        let added = store.add(certificate);
        added.map_err(|error| {
            TlsFault::new(key, path, format!("holds a certificate that signs nothing: {error}"))
        })?;
    }
    Ok(store)
}

fn system_roots() -> RootCertStore {
    let mut store = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    for error in found.errors {
        tracing::warn!(%error, "a root certificate of the system cannot be read");
    }
    store.add_parsable_certificates(found.certs);
    store
}

/// The names by which the far end of a connection is known (RFC 5922 §7.1): the SIP domains of its certificate, and where it
/// has none, its DNS names. In lower case.
pub(super) fn names(chain: Option<&[CertificateDer<'_>]>) -> Arc<[String]> {
    let Some(first) = chain.and_then(<[_]>::first) else { return Arc::new([]) };
    let Ok(certificate) = EndEntityCert::try_from(first) else { return Arc::new([]) };
    let domains: Vec<String> = sip_domains(&certificate).collect();
    let names = if domains.is_empty() {
        certificate.valid_dns_names().map(str::to_ascii_lowercase).collect()
    } else {
        domains
    };
    names.into()
}

/// The domains of `sip:` URIs in a certificate. A URI with a user is somebody's, not a domain's.
fn sip_domains(certificate: &EndEntityCert<'_>) -> impl Iterator<Item = String> {
    let domain = |uri: &str| {
        let (scheme, rest) = uri.split_once(':')?;
        let is_domain = scheme.eq_ignore_ascii_case("sip") && !rest.contains(['@', ';', '?', ':']);
        is_domain.then(|| rest.to_ascii_lowercase())
    };
    certificate.valid_uri_names().filter_map(domain).collect::<Vec<_>>().into_iter()
}

/// Verifies a server as the Web does, but for its name, which may be a SIP domain (RFC 5922 §7.2). Unlike there, a wildcard
/// stands for one label: carriers' certificates have them.
#[derive(Debug)]
struct SipVerifier {
    /// `None`: nobody is believed.
    inner: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for SipVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Some(inner) = &self.inner else { return Err(CertificateError::UnknownIssuer.into()) };
        let verified = inner.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        let wrong_name = CertificateError::NotValidForName;
        let ServerName::DnsName(name) = server_name else { return verified };
        let certificate = EndEntityCert::try_from(end_entity).map_err(|_| CertificateError::BadEncoding)?;
        let mut domains = sip_domains(&certificate).peekable();
        if domains.peek().is_none() {
            return verified;
        }
        let is_theirs = domains.any(|domain| domain.eq_ignore_ascii_case(name.as_ref()));
        match verified {
            // The name is looked at last: all else is good.
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if is_theirs => Ok(ServerCertVerified::assertion()),
            Ok(_) if !is_theirs => Err(wrong_name.into()),
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, SanType};

    use super::*;

    type Authority = CertifiedIssuer<'static, KeyPair>;

    fn authority() -> Authority {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Authority::self_signed(params, KeyPair::generate().unwrap()).unwrap()
    }

    /// A certificate of these hosts and URIs, and its key.
    fn issue(by: &Authority, hosts: &[&str], uris: &[&str]) -> (rcgen::Certificate, KeyPair) {
        let hosts: Vec<String> = hosts.iter().map(|&host| host.to_owned()).collect();
        let mut params = CertificateParams::new(hosts).unwrap();
        params.subject_alt_names.extend(uris.iter().map(|&uri| SanType::URI(uri.try_into().unwrap())));
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, by).unwrap(), key)
    }

    fn shown(hosts: &[&str], uris: &[&str]) -> Vec<String> {
        let (certificate, _) = issue(&authority(), hosts, uris);
        names(Some(&[certificate.der().clone()])).to_vec()
    }

    #[test]
    fn a_certificate_is_its_sip_domains_and_where_there_are_none_its_hosts() {
        assert_eq!(shown(&["A.example", "b.example"], &[]), ["a.example", "b.example"]);
        let uris = ["sip:C.example", "sip:ann@d.example", "https://e.example", "sip:f.example;lr"];
        assert_eq!(shown(&["a.example"], &uris), ["c.example"]);
        assert!(names(None).is_empty() && names(Some(&[b"none"[..].into()])).is_empty());
    }

    #[test]
    fn a_server_has_to_be_who_was_called_and_signed_by_whom_we_believe() {
        let ours = authority();
        let provider = Arc::new(ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(ours.der().clone()).unwrap();
        let inner =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build().unwrap();
        let verifier = SipVerifier { inner: Some(inner), provider };
        let now = UnixTime::since_unix_epoch(Duration::from_secs(1_800_000_000));
        let is_good = |by: &Authority, hosts: &[&str], uris: &[&str], called: &str| {
            let (certificate, _) = issue(by, hosts, uris);
            let name = ServerName::try_from(called.to_owned()).unwrap();
            verifier.verify_server_cert(certificate.der(), &[], &name, &[], now).is_ok()
        };
        assert!(is_good(&ours, &["sip.example"], &[], "sip.example"));
        assert!(is_good(&ours, &["*.a.example"], &[], "sip.a.example"));
        assert!(is_good(&ours, &["192.0.2.1"], &[], "192.0.2.1"));
        assert!(!is_good(&ours, &["other.example"], &[], "sip.example"));
        assert!(!is_good(&ours, &["192.0.2.2"], &[], "192.0.2.1"));
        assert!(!is_good(&authority(), &["sip.example"], &[], "sip.example"));
        // RFC 5922 §7.1: with a SIP domain, hosts do not count.
        assert!(is_good(&ours, &["host.example"], &["sip:Example"], "example"));
        assert!(!is_good(&ours, &["sip.example"], &["sip:other.example"], "sip.example"));
        assert!(!is_good(&authority(), &[], &["sip:example"], "example"));
    }

    /// A certificate in files of its own, which are gone when it is dropped.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let folder = std::env::temp_dir().join(format!("baton-tls-{}-{name}", std::process::id()));
            std::fs::create_dir_all(&folder).unwrap();
            Self(folder)
        }

        fn write(&self, name: &str, text: &str) -> PathBuf {
            let file = self.0.join(name);
            std::fs::write(&file, text).unwrap();
            file
        }

        fn pair(&self, by: &Authority, host: &str) -> Tls {
            let (certificate, key) = issue(by, &[host], &[]);
            let (certificate, key) =
                (self.write("node.pem", &certificate.pem()), self.write("node.key", &key.serialize_pem()));
            Tls { certificate, key, ca: Some(self.write("ca.pem", &by.pem())), client_ca: None }
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn every_file_that_cannot_be_used_is_named_by_its_key() {
        let folder = Folder::new("faults");
        let good = folder.pair(&authority(), "node.example");
        assert!(faults(&good).is_empty(), "{:?}", faults(&good));
        let empty = folder.write("empty.pem", "nothing");
        let wrong = Tls {
            certificate: folder.0.join("gone.pem"),
            key: empty.clone(),
            ca: Some(empty.clone()),
            client_ca: Some(empty),
        };
        let found: Vec<String> = faults(&wrong).iter().map(ToString::to_string).collect();
        for (key, why) in [
            ("certificate", "gone.pem cannot be read"),
            ("key", "empty.pem holds no private key in PEM"),
            ("ca", "empty.pem holds no certificate in PEM"),
            ("client_ca", "empty.pem holds no certificate in PEM"),
        ] {
            let is = |text: &&String| text.starts_with(&format!("sip.tls.{key}: ")) && text.contains(why);
            assert_eq!(found.iter().filter(is).count(), 1, "{key} in {found:?}");
        }
        let other = KeyPair::generate().unwrap().serialize_pem();
        let unequal = Tls { key: folder.write("other.key", &other), ..good };
        let [fault] = &faults(&unequal)[..] else { panic!("one fault") };
        assert!(fault.to_string().contains("node.pem cannot be used with the key"), "{fault}");
    }

    #[test]
    fn what_cannot_be_used_leaves_the_certificates_as_they_were() {
        let folder = Folder::new("reload");
        let certificates = Certificates::read(folder.pair(&authority(), "node.example")).unwrap();
        let first = certificates.current();
        folder.write("node.key", "none");
        assert_eq!(certificates.reload().unwrap_err().key, "key");
        assert!(Arc::ptr_eq(&certificates.current().server, &first.server));
        folder.pair(&authority(), "node.example");
        certificates.reload().unwrap();
        assert!(!Arc::ptr_eq(&certificates.current().server, &first.server));
    }
}
