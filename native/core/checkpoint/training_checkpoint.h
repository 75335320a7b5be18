#pragma once
// A saved training: everything that a session needs to continue as if it had never stopped.

#include <string>

#include "core/checkpoint/safetensors.h"
#include "core/training/session.h"

namespace reviewkd {

/// Writes networks, momentum buffers, learning rate and position to one sealed safetensors file, atomically. `metadata`
/// is the caller's; keys that begin with "session." are this function's. `keep_as`: as AtomicFile::commit. The session
/// must not be in a step.
///
/// No random state is among it, for there is none: order and augmentation are pure functions of seed, epoch and
/// position (core/base/random.h), and nothing else draws after the networks were initialised.
void save_checkpoint(const Session& session, const std::string& path, Metadata metadata,
                     const std::string& keep_as = "");

/// Brings a session of the same networks to where the checkpoint was written and returns the caller's metadata. A
/// frozen teacher is no part of it, but has to be the same one unless `other_teacher`. Throws FILE_CORRUPT (any byte
/// that differs from what was written), FILE_UNSUPPORTED (another format), STATE_DICT_MISMATCH or as read_safetensors
/// does, before anything is changed.
Metadata load_checkpoint(Session& session, const std::string& path, bool other_teacher = false);

}  // namespace reviewkd
