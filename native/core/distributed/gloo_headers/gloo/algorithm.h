#pragma once
// libtorch's wheels have Gloo's code but not its headers. ProcessGroupGloo.hpp names these types behind pointers alone.
