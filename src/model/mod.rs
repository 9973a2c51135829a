//! The vocabulary that every other module speaks: standard library only, no logic beyond the
//! meaning of the words.

pub mod address;
pub mod date;
pub mod evidence;
pub mod finding;
pub mod flow;
pub mod frame;
pub mod nat64;
pub mod observation;
pub mod outline;
pub mod packed;
pub mod packet;
pub mod secrets;
pub mod stats;
pub mod text;
pub mod time;

pub use address::{Endpoint, MacAddr};
pub use date::Date;
pub use evidence::{Evidence, Seen};
pub use finding::Finding;
pub use flow::{Direction, Flow, FlowId, FlowKey, PerDirection, Transport};
use frame::NO_FRAME;
pub use frame::{CaptureId, FrameNo, FrameRef, LinkType};
pub use observation::{Facts, Field, NameBinding, NameSource, Observation, Value};
pub use outline::Outline;
pub use packet::Packet;
pub use secrets::Secrets;
pub use time::Timestamp;
