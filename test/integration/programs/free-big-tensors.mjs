// Creates tensors of 4 GiB in total, frees them, and prints the memory of the process in bytes.
import { readFileSync } from "node:fs";
import { Tensor } from "reviewkd";

const held = () => Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/status", "utf8"))[1]) * 1024;

const values = new Float32Array(170 * 2 ** 20).fill(1); // × 4 bytes = 680 MiB
const before = held();
const tensors = Array.from({ length: 6 }, () => Tensor.from(values, [values.length]));
const most = held();
for (const tensor of tensors) tensor.dispose();
console.log(JSON.stringify({ before, held: most, after: held() }));
