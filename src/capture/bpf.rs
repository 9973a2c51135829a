//! The user's capture filter (pcap-filter(7)), compiled by libpcap once for each link type.

#[cfg(feature = "live")]
pub(super) use with_libpcap::Filter;
#[cfg(not(feature = "live"))]
pub(super) use without_libpcap::Filter;

#[cfg(feature = "live")]
mod with_libpcap {
    use pcap::{BpfProgram, Capture, Linktype};

    use crate::error::{Error, Result};
    use crate::model::LinkType;

    /// A compiled filter.
    pub(in super::super) struct Filter {
        text: String,
        /// `None` where libpcap says that no frame of this link type can match, or does not know it.
        programs: Vec<(LinkType, Option<BpfProgram>)>,
    }

    impl Filter {
        /// Compiles for Ethernet, so that a wrong filter is told before anything is read.
        pub(in super::super) fn new(text: &str) -> Result<Self> {
            let program = compile(text, LinkType::ETHERNET)
                .map_err(|reason| Error::Filter { filter: text.to_owned(), reason })?;
            Ok(Self { text: text.to_owned(), programs: vec![(LinkType::ETHERNET, Some(program))] })
        }

        /// Whether the filter takes a frame. Its length is what was captured of it.
        pub(in super::super) fn takes(&mut self, link_type: LinkType, data: &[u8]) -> bool {
            if let Some((_, program)) = self.programs.iter().find(|(of, _)| *of == link_type) {
                return program.as_ref().is_some_and(|program| program.filter(data));
            }
            if self.programs.len() >= MAX_PROGRAMS {
                return false;
            }
            let program = compile(&self.text, link_type).ok();
            let takes = program.as_ref().is_some_and(|program| program.filter(data));
            self.programs.push((link_type, program));
            takes
        }
    }

    fn compile(text: &str, link_type: LinkType) -> std::result::Result<BpfProgram, String> {
        // Savefiles number raw IP apart from libpcap's own numbers on this system.
        let dlt = if link_type == LinkType::RAW { DLT_RAW } else { link_type.0 };
        let dlt = i32::try_from(dlt).map_err(|_| format!("link type {dlt} is unknown"))?;
        Capture::dead(Linktype(dlt)).and_then(|dead| dead.compile(text, true)).map_err(|error| match error {
            pcap::Error::PcapError(reason) => reason,
            other => other.to_string(),
        })
    }

    /// A real capture has a few link types; one made to have thousands gets no program for the rest.
    const MAX_PROGRAMS: usize = 64;

    const DLT_RAW: u32 = if cfg!(target_os = "openbsd") { 14 } else { 12 };

    #[cfg(test)]
    mod tests {
        use super::*;

        /// IPv4, protocol 17, 192.0.2.1 to 192.0.2.2, ports 53 and 1024.
        const UDP: [u8; 28] =
            [0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2, 0, 53, 4, 0, 0, 8, 0, 0];

        #[test]
        fn one_filter_serves_several_link_types() {
            let mut filter = Filter::new("udp port 53").unwrap();
            let mut ethernet = vec![0; 12];
            ethernet.extend([0x08, 0x00]);
            ethernet.extend(UDP);
            assert!(filter.takes(LinkType::ETHERNET, &ethernet));
            assert!(filter.takes(LinkType::RAW, &UDP));
            assert!(filter.takes(LinkType::IPV4, &UDP));
            assert!(!filter.takes(LinkType::RAW, &ethernet));
            assert!(!filter.takes(LinkType(99_999), &UDP));
            assert!(!Filter::new("tcp").unwrap().takes(LinkType::RAW, &UDP));
            assert!(!filter.takes(LinkType::ETHERNET, &[]));
        }

        #[test]
        fn a_wrong_filter_is_told_at_once() {
            for text in ["prot 80", "port", "host \0"] {
                assert!(matches!(Filter::new(text), Err(Error::Filter { .. })), "{text:?}");
            }
        }
    }
}

#[cfg(not(feature = "live"))]
mod without_libpcap {
    use crate::error::{Error, Result};
    use crate::model::LinkType;

    /// There is none without libpcap.
    pub(in super::super) enum Filter {}

    impl Filter {
        pub(in super::super) fn new(text: &str) -> Result<Self> {
            Err(Error::Usage(format!(
                "failed to use the filter `{text}`: this wireclaim was built without libpcap (build it with `--features live`)"
            )))
        }

        pub(in super::super) fn takes(&mut self, _: LinkType, _: &[u8]) -> bool {
            match *self {}
        }
    }
}
