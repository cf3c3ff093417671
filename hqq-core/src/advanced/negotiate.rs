//! Negotiation: what both sides can do with each other (PROTOCOL.md, "Advanced protocol:
//! negotiation").

use core::fmt;

use crate::packet::{
    Capabilities, ErrorCode, Features, Negotiate, NegotiateAck, Opcode, ProtocolVersion, Sound,
};

/// What both sides agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct Agreement {
    /// The version both speak.
    pub version: ProtocolVersion,
    /// The features both have.
    pub features: Features,
    /// The capabilities both have.
    pub capabilities: Capabilities,
}

/// Why there is no agreement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
// Which it is, in a byte where programs have to be small: the compiler would take a word as wide as the
// fields are aligned.
#[cfg_attr(not(target_pointer_width = "64"), repr(u8))]
pub enum NegotiateError {
    /// Negotiation was begun before; there is one attempt a link.
    Repeated,
    /// The peer speaks another major version.
    Version {
        /// The peer's.
        found: ProtocolVersion,
    },
    /// The peer answered with an error.
    Refused {
        /// Its code.
        code: ErrorCode,
    },
    /// The peer accepted what was not offered.
    Answer {
        /// The version it answered with.
        version: ProtocolVersion,
        /// The features it answered with.
        features: Features,
        /// The capabilities it answered with.
        capabilities: Capabilities,
    },
    /// No answer came in time.
    TimedOut,
}

impl fmt::Display for NegotiateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Repeated => f.write_str(
                "negotiation was begun before: each link negotiates once, open a new one",
            ),
            Self::Version { found } => write!(
                f,
                "the peer speaks version {}.{} of the Advanced protocol, this side {}.x: use the same at both ends",
                found.major,
                found.minor,
                ProtocolVersion::CURRENT.major
            ),
            Self::Refused { code } => write!(
                f,
                "the peer refused to negotiate ({code:?}): does it use the Advanced protocol?"
            ),
            Self::Answer { .. } => f.write_str(
                "the peer accepted what was not offered: it breaks the protocol, end the link",
            ),
            Self::TimedOut => {
                f.write_str("the peer did not answer in time: does it use the Advanced protocol?")
            }
        }
    }
}

impl core::error::Error for NegotiateError {}

/// Where negotiation stands. Each side asks at most once; either may ask.
///
/// | state | event | sends | next |
/// |---|---|---|---|
/// | Idle | asked to negotiate | Negotiate | Asked |
/// | Idle, Asked | Negotiate, our major | NegotiateAck: lower minor, common bits | Agreed |
/// | Idle, Asked | Negotiate, another major | Error (0, 6) | Failed |
/// | Asked, offer sent | NegotiateAck within the offer | – | Agreed |
/// | Asked, offer sent | NegotiateAck beyond the offer | – | Failed |
/// | Asked, offer sent | Error (0, code) | – | Failed |
/// | Asked | no answer in time: an offer that was not sent is not sent any more | – | Failed |
/// | Idle; Asked, offer not sent | NegotiateAck, Error (0, code) | – | the same |
/// | Asked, Agreed, Failed | asked to negotiate | – ([`NegotiateError::Repeated`]) | the same |
/// | Agreed, Failed | Negotiate | Error (0, 6), unless an answer is yet to be sent | the same |
/// | Agreed, Failed | anything else | – | the same |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum NegotiationState {
    /// Nobody has asked.
    Idle,
    /// This side has asked and waits for the answer.
    Asked,
    /// Both sides know what they can do.
    Agreed(Agreement),
    /// They never will.
    Failed(NegotiateError),
}

/// The machine of [`NegotiationState`], with what it has to send.
#[derive(Clone, Copy, Debug)]
pub(super) struct Negotiation {
    pub(super) state: NegotiationState,
    /// What this side offers; once both have agreed, that.
    terms: Agreement,
    /// When asking ends, in the caller's ticks.
    deadline: u64,
    /// What is to be sent next.
    pub(super) reply: Option<Reply>,
}

/// What this side has to tell the peer; what it says follows from the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    Offer,
    Answer,
    Refusal,
}

impl Negotiation {
    pub(super) const fn new(features: Features, capabilities: Capabilities) -> Self {
        Self {
            state: NegotiationState::Idle,
            terms: Agreement {
                version: ProtocolVersion::CURRENT,
                features,
                capabilities,
            },
            deadline: u64::MAX,
            reply: None,
        }
    }

    /// Asks the peer.
    pub(super) fn ask(&mut self, deadline: u64) -> Result<(), NegotiateError> {
        if !matches!(self.state, NegotiationState::Idle) {
            return Err(NegotiateError::Repeated);
        }
        self.state = NegotiationState::Asked;
        self.deadline = deadline;
        self.reply = Some(Reply::Offer);
        Ok(())
    }

    /// Puts what there is to tell into `packet`; `false` where there is nothing.
    pub(super) fn tell(&self, packet: &mut Sound) -> bool {
        let Some(reply) = self.reply else {
            return false;
        };
        let opcode = match reply {
            Reply::Offer => Opcode::Negotiate,
            Reply::Answer => Opcode::NegotiateAck,
            Reply::Refusal => {
                let code = ErrorCode::InvalidOperation;
                packet.set(Opcode::Error, [0, code.as_code(), 0]);
                return true;
            }
        };
        // An answer is only given together with the agreement, and an offer before there is one.
        let Agreement {
            version,
            features,
            capabilities,
        } = self.terms;
        let operands = [version.as_word(), features.bits(), capabilities.bits()];
        packet.set(opcode, operands);
        true
    }

    pub(super) const fn agreement(&self) -> Option<Agreement> {
        match self.state {
            NegotiationState::Agreed(agreement) => Some(agreement),
            _ => None,
        }
    }

    const fn is_open(&self) -> bool {
        matches!(self.state, NegotiationState::Idle | NegotiationState::Asked)
    }

    /// The peer asks; `true` where the state has changed.
    pub(super) fn asked(&mut self, offer: &Negotiate) -> bool {
        if !self.is_open() {
            // The answer to the first offer stands.
            self.reply = self.reply.or(Some(Reply::Refusal));
            return false;
        }
        let ours = ProtocolVersion::CURRENT;
        if offer.version.major != ours.major {
            self.reply = Some(Reply::Refusal);
            self.state = NegotiationState::Failed(NegotiateError::Version {
                found: offer.version,
            });
            return true;
        }
        let agreement = Agreement {
            version: offer.version.min(ours),
            features: offer.features & self.terms.features,
            capabilities: offer.capabilities & self.terms.capabilities,
        };
        // Where both ask at once, both answer, and both find the same.
        self.reply = Some(Reply::Answer);
        self.terms = agreement;
        self.state = NegotiationState::Agreed(agreement);
        true
    }

    /// Whether the peer has the offer, and has not answered.
    fn is_asking(&self) -> bool {
        matches!(self.state, NegotiationState::Asked) && self.reply.is_none()
    }

    /// The peer answers; `true` where the state has changed.
    pub(super) fn answered(&mut self, answer: &NegotiateAck) -> bool {
        if !self.is_asking() {
            return false;
        }
        let NegotiateAck {
            version,
            features,
            capabilities,
        } = *answer;
        let ours = ProtocolVersion::CURRENT;
        let fits = version.major == ours.major
            && version.minor <= ours.minor
            && self.terms.features.contains(features)
            && self.terms.capabilities.contains(capabilities);
        self.state = if fits {
            NegotiationState::Agreed(Agreement {
                version,
                features,
                capabilities,
            })
        } else {
            NegotiationState::Failed(NegotiateError::Answer {
                version,
                features,
                capabilities,
            })
        };
        true
    }

    /// The peer reports an error of the link itself; `true` where the state has changed.
    pub(super) fn refused(&mut self, code: ErrorCode) -> bool {
        if !self.is_asking() {
            return false;
        }
        self.state = NegotiationState::Failed(NegotiateError::Refused { code });
        true
    }

    /// Until when the peer may answer, if it was asked.
    pub(super) fn deadline(&self) -> Option<u64> {
        (matches!(self.state, NegotiationState::Asked) && self.deadline != u64::MAX)
            .then_some(self.deadline)
    }

    /// Time passes; `true` where the state has changed.
    pub(super) fn tick(&mut self, now: u64) -> bool {
        if !matches!(self.state, NegotiationState::Asked) || now < self.deadline {
            return false;
        }
        self.state = NegotiationState::Failed(NegotiateError::TimedOut);
        self.reply = None;
        true
    }
}
