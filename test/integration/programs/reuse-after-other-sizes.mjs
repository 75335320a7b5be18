// Fills the cache with freed tensors of one size, then creates and frees one of another size twice, and prints the
// number of fresh pages each time.
import process from "node:process";
import { Tensor } from "reviewkd";

const MIB = 2 ** 20 / 4; // in values
const freshPages = (values) => {
  const before = process.resourceUsage().minorPageFault;
  Tensor.from(values, [values.length]).dispose();
  return process.resourceUsage().minorPageFault - before;
};

const former = new Float32Array(680 * MIB).fill(1);
const tensors = Array.from({ length: 5 }, () => Tensor.from(former, [former.length]));
for (const tensor of tensors) tensor.dispose();
const present = new Float32Array(400 * MIB).fill(1);
console.log(JSON.stringify({ first: freshPages(present), second: freshPages(present) }));
