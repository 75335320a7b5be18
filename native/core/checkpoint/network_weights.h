#pragma once
// Weights of a file in a network of the registry: under the network's names, whatever those in the file.

#include <string>
#include <vector>

#include "core/checkpoint/weights_reader.h"
#include "core/models/entry_names.h"

namespace reviewkd {

/// Loads a file that was read into `target`, a network's state dict: prefixes are taken off, the names of other libraries
/// renamed, and tensors of other tools left aside, all of which the report names. `path`: for messages. Strict and
/// errors: as load_state_dict, and FILE_UNSUPPORTED if a wanted tensor cannot be read, if several networks in the file
/// fit, or, if strict, if the library of the file computes other outputs with the same weights.
LoadReport load_weights(const NamedTensors& target, const WeightsFile& file, const std::string& path, bool strict);

/// Tensors of a file under the names of the registry's network that fits best, without those that belong to none; as
/// they are, if none fits. Of detectors, without what stands in front of the names. Throws FILE_UNSUPPORTED if several
/// networks or detectors fit.
WeightsFile read_network_weights(const WeightsPath& path, const std::string& key);

}  // namespace reviewkd
