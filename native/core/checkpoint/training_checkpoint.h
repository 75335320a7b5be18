#pragma once
// A saved training state: everything that a session needs to continue as if it had never stopped.

#include <string>

#include "core/checkpoint/safetensors.h"
#include "core/training/session.h"

namespace reviewkd {

/// Writes networks, momentum buffers, learning rate and position to one checksummed safetensors file, atomically.
/// `metadata` is the caller's; keys that begin with "session." are reserved. `keep_as`: as in AtomicFile::commit. The
/// session must not be in a step.
///
/// No random state is stored because none exists: order and augmentation are pure functions of seed, epoch and
/// position (core/base/random.h), and nothing else draws after the networks are initialised.
void save_checkpoint(const Session& session, const std::string& path, Metadata metadata, const std::string& keep_as = "");

/// Restores a session of the same networks to the checkpoint's state and returns the caller's metadata. A frozen
/// teacher is not stored, but must be the same one unless `other_teacher`. Throws FILE_CORRUPT (any byte differs from
/// what was written), FILE_UNSUPPORTED (another format), STATE_DICT_MISMATCH or as read_safetensors does, before
/// anything is changed.
Metadata load_checkpoint(Session& session, const std::string& path, bool other_teacher = false);

}  // namespace reviewkd
