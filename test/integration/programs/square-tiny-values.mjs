// Computes half the squares of 1e-20 and of 1e-18 in float32, many of each, and prints how many are 0.
import { functional, Tensor } from "reviewkd";

const COUNT = 2 ** 20;
const zeros = Tensor.from(new Float32Array(COUNT), [COUNT]);

async function zerosAmongSquares(value) {
  const input = Tensor.from(new Float32Array(COUNT).fill(value), [COUNT]);
  const squares = await functional.smoothL1Loss(input, zeros, { beta: 1, reduction: "none" });
  return squares.toTypedArray().filter((square) => square === 0).length;
}

console.log(JSON.stringify({ count: COUNT, denormal: await zerosAmongSquares(1e-20), normal: await zerosAmongSquares(
  1e-18,
) }));
