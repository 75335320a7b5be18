#pragma once
// The detectors of the package.

namespace reviewkd {

enum class DetectorKind { kFasterRcnn, kMaskRcnn, kRetinaNet };

}  // namespace reviewkd
