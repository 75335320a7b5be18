#pragma once
// The two published ways to draw the first values of a detector's heads.

namespace reviewkd::detection {

/// torchvision: PyTorch's defaults in the box head, He's normal distribution in the whole mask head. detectron2: uniform
/// (a = 1) in the box head, narrow normal distributions in the last layers.
enum class HeadInitialization { kTorchvision, kDetectron2 };

}  // namespace reviewkd::detection
