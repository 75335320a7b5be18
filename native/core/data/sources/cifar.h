#pragma once
// CIFAR-10 and CIFAR-100 in their published binary layout.
// Krizhevsky: "Learning Multiple Layers of Features from Tiny Images" (2009).

#include "core/data/dataset.h"

namespace reviewkd {

/// `root` holds data_batch_1.bin … data_batch_5.bin, test_batch.bin and, optionally, batches.meta.txt.
/// Throws FILE_NOT_FOUND, FILE_ACCESS, FILE_CORRUPT or LABEL_OUT_OF_RANGE, naming the file.
Dataset load_cifar10(const Options& source);

/// `root` holds train.bin, test.bin and, optionally, fine_label_names.txt and coarse_label_names.txt. `labels`: "fine"
/// (default), 100 classes, or "coarse", their 20 superclasses. Throws as load_cifar10 does.
Dataset load_cifar100(const Options& source);

}  // namespace reviewkd
