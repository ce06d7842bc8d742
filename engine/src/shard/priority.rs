//! Calls that come first when there is no room for all: the emergency namespace `esnet` of Resource-Priority (RFC 4412,
//! RFC 7135), as public-safety networks use it.
//!
//! Leaves out other namespaces, which are for networks that preempt, and whether the caller may say so, which admission
//! knows of its peer (RFC 7135 §7: within trusted networks alone).

use baton_signaling::message::Request;

/// Header fields that are read: a proxy adds one at the most.
const FIELDS_MAX: usize = 4;
/// Values of each that are read (RFC 4412 §3.1 has one a namespace).
const VALUES_MAX: usize = 8;

/// Whether a request says that it is for an emergency: `esnet.0` to `esnet.4`, none of which is above another here.
pub fn is_emergency(request: &Request) -> bool {
    let fields = request.headers.all("Resource-Priority").take(FIELDS_MAX);
    let mut values = fields.flat_map(|field| field.split(|&byte| byte == b',').take(VALUES_MAX));
    values.any(|value| {
        let value = value.trim_ascii();
        let (namespace, level) = value.split_at(value.len().min(6));
        namespace.eq_ignore_ascii_case(b"esnet.") && matches!(level, [b'0'..=b'4'])
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use baton_signaling::message::Method;

    fn says(fields: &[&str]) -> bool {
        let request = Request::new(Method::Invite, "sip:x@y");
        let field = |request: Request, field: &&str| request.with("Resource-Priority", (*field).to_owned());
        is_emergency(&fields.iter().fold(request, field))
    }

    #[test]
    fn the_five_levels_of_esnet_are_emergencies_in_any_field_and_place() {
        for level in 0..5 {
            assert!(says(&[&format!("esnet.{level}")]));
        }
        assert!(says(&["q735.3 , ESNET.2"]) && says(&["dsn.flash", "wps.4,esnet.0"]));
    }

    #[test]
    fn nothing_else_is() {
        for field in ["", "esnet", "esnet.", "esnet.5", "esnet.10", "esnet.-1", "esnetx.1", "q735.0", ",,,"] {
            assert!(!says(&[field]), "{field}");
        }
        assert!(!says(&[]));
        let many = "a.1,".repeat(VALUES_MAX) + "esnet.1";
        assert!(!says(&[&many]), "beyond what is read");
    }
}
