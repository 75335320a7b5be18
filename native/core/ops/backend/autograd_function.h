#pragma once
// The declaration of autograd functions.

#include <torch/csrc/autograd/custom_function.h>

/// Begins the definition of an autograd function, which must be outside anonymous namespaces: external linkage is
/// required on Windows, where libtorch declares the base class as imported.
// NOLINTNEXTLINE(bugprone-macro-parentheses): a class cannot be declared by a name in parentheses.
#define REVIEWKD_AUTOGRAD_FUNCTION(Name) class Name : public torch::autograd::Function<Name>
