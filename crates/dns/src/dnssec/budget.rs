//! What a validation may spend. Counted in work, not in records: whoever signs a zone chooses how
//! many keys share a tag, how many signatures fail and how long a hash takes (CVE-2023-50387,
//! CVE-2023-50868), so each of these is paid before it is done.

/// What is left to spend on one message. Numbers only go down.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Budget {
    /// Verifications.
    pub operations: u32,
    /// Work of the verifications, priced by [`super::crypto::PublicKey::cost`].
    pub work: u32,
    /// Verifications that may fail.
    pub failures: u32,
    /// Work of verifications that may fail. One is only begun if its failure could be paid.
    pub failed_work: u32,
    /// SHA-1 blocks for NSEC3 hashes.
    pub hash_blocks: u32,
}

/// The budget does not allow the next step.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the work for this validation exceeds its bound")]
pub struct Spent;

impl Budget {
    /// The lesser of both in each respect: a message's share of what its request has left.
    #[must_use]
    pub fn min(self, other: Budget) -> Budget {
        Budget {
            operations: self.operations.min(other.operations),
            work: self.work.min(other.work),
            failures: self.failures.min(other.failures),
            failed_work: self.failed_work.min(other.failed_work),
            hash_blocks: self.hash_blocks.min(other.hash_blocks),
        }
    }

    /// What is left here when a share was given out and came back as `left`.
    #[must_use]
    pub fn after(self, share: Budget, left: Budget) -> Budget {
        let rest =
            |mine: u32, given: u32, back: u32| mine.saturating_sub(given.saturating_sub(back));
        Budget {
            operations: rest(self.operations, share.operations, left.operations),
            work: rest(self.work, share.work, left.work),
            failures: rest(self.failures, share.failures, left.failures),
            failed_work: rest(self.failed_work, share.failed_work, left.failed_work),
            hash_blocks: rest(self.hash_blocks, share.hash_blocks, left.hash_blocks),
        }
    }

    /// Pays for a verification.
    pub fn pay_operation(&mut self, cost: u32) -> Result<(), Spent> {
        if self.failures == 0 || self.failed_work < cost {
            return Err(Spent);
        }
        self.operations = self.operations.checked_sub(1).ok_or(Spent)?;
        self.work = self.work.checked_sub(cost).ok_or(Spent)?;
        Ok(())
    }

    /// Notes that a verification of this cost failed.
    pub fn pay_failure(&mut self, cost: u32) -> Result<(), Spent> {
        self.failures = self.failures.checked_sub(1).ok_or(Spent)?;
        self.failed_work = self.failed_work.checked_sub(cost).ok_or(Spent)?;
        Ok(())
    }

    /// Pays for hashing.
    pub fn pay_hash(&mut self, blocks: u32) -> Result<(), Spent> {
        self.hash_blocks = self.hash_blocks.checked_sub(blocks).ok_or(Spent)?;
        Ok(())
    }
}
