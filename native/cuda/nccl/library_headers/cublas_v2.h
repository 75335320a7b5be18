#pragma once
// libtorch's headers name these types of NVIDIA's libraries in functions that the plugin does not call; the libraries'
// own headers take hundreds of megabytes of wheels.

using cublasHandle_t = struct cublasContext*;
enum cublasStatus_t : int;
