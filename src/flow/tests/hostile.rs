//! Packets of any kind keep the table whole.

use proptest::prelude::*;

use super::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// One stream in segments of any size, in any order, some more than once, some never, across the
    /// wrap of sequence numbers: every byte once and in its place, and what was lost as gaps. (Not of one byte: with no
    /// ACK captured, one byte sent again is taken for a keep-alive probe, as Wireshark takes it.)
    #[test]
    fn a_stream_survives_order_duplication_loss_and_wrap(
        isn in prop_oneof![any::<u32>(), (u32::MAX - 300)..=u32::MAX],
        cuts in prop::collection::vec((2..30_usize, prop::collection::vec(any::<u16>(), 0..3)), 1..40),
    ) {
        let make = Frames::default();
        let (client, server) = (HostPort::v4(1, 1025), HostPort::v4(2, 443));
        let mut frames = vec![make.tcp(client, server, "S", isn, 0)];
        let (mut expected, mut sent, mut at) = (String::new(), Vec::new(), 0);
        for (len, orders) in &cuts {
            let text: String = (at..at + len).map(|n| char::from(b'a' + (n % 26) as u8)).collect();
            expected.push_str(&if orders.is_empty() { "_".repeat(*len) } else { text.clone() });
            let seq = isn.wrapping_add(1).wrapping_add(at as u32);
            sent.extend(orders.iter().map(|order| (*order, seq, text.clone())));
            at += len;
        }
        sent.sort();
        frames.extend(sent.iter().map(|(_, seq, text)| {
            make.tcp(client, server, "A", *seq, 0).with(text.as_bytes())
        }));
        let limits = Limits { reorder_bytes: usize::MAX, reorder_segments: usize::MAX, ..Limits::default() };
        let (told, flow) = run_with(&frames, Recorder::default(), limits).pop().unwrap();
        let expected = expected.trim_end_matches('_');
        prop_assert_eq!(told.orig, expected);
        // Nothing later tells of what was lost at the end.
        prop_assert_eq!(flow.missed.orig, expected.matches('_').count() as u64);
        let distinct = cuts.iter().filter(|(_, orders)| !orders.is_empty()).count();
        prop_assert_eq!(flow.tcp.unwrap().retransmissions.orig, (sent.len() - distinct) as u64);
    }

    /// Any packets at all: no panic, everything counted, histories bounded, roles consistent.
    #[test]
    fn any_segments_are_counted(
        packets in prop::collection::vec(
            (any::<bool>(), any::<u8>(), prop_oneof![0..300_u32, any::<u32>()],
             prop_oneof![0..300_u32, any::<u32>()], 0..40_usize, 0..40_usize, any::<u8>()), 0..60),
        enough in prop_oneof![Just(usize::MAX), 1..10_usize],
    ) {
        let make = Frames::default();
        let (one, other) = (HostPort::v4(1, 1025), HostPort::v4(2, 443));
        let frames: Vec<OwnedFrame> = packets
            .iter()
            .map(|(forth, flags, seq, ack, len, kept, window)| {
                let (from, to) = if *forth { (one, other) } else { (other, one) };
                let mut frame = make.tcp(from, to, "", *seq, *ack).with(&vec![b'x'; *len]).cut_to(*kept);
                frame.tcp_header_mut().flags.0 = *flags;
                frame.tcp_header_mut().window = u16::from(*window);
                frame
            })
            .collect();
        let limits = Limits { reorder_bytes: 64, reorder_segments: 4, ..Limits::default() };
        let flows = run_with(&frames, Recorder { enough }, limits);
        let packets: u64 = flows.iter().map(|(_, flow)| flow.packets.orig + flow.packets.resp).sum();
        let bytes: u64 = flows.iter().map(|(_, flow)| flow.bytes.orig + flow.bytes.resp).sum();
        prop_assert_eq!(packets, frames.len() as u64);
        prop_assert_eq!(bytes, frames.iter().map(|frame| u64::from(frame.payload_len)).sum::<u64>());
        for (_, flow) in flows {
            prop_assert!(flow.tcp.unwrap().history.len() <= 64);
        }
    }
}
