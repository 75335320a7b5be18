#pragma once
// A training at rest: everything that a session needs to go on as if it had never stopped.

#include <string>

#include "core/checkpoint/safetensors.h"
#include "core/training/session.h"

namespace reviewkd {

/// Writes networks, velocities and position to one safetensors file, atomically. `metadata` is the caller's; keys that
/// begin with "session." are this function's. The session must not be in a step.
void save_checkpoint(const Session& session, const std::string& path, Metadata metadata);

/// Brings a session of the same networks to where the checkpoint was written and returns the caller's metadata. Throws
/// FILE_CORRUPT, STATE_DICT_MISMATCH or as read_safetensors does, before anything is changed.
Metadata load_checkpoint(Session& session, const std::string& path);

}  // namespace reviewkd
