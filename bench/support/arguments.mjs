// Parsers for the flags of benchmarks.
import { InvalidArgumentError } from "commander";

export function wholeNumber(text) {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1)
    throw new InvalidArgumentError(`expected a whole number from 1, received ${text}.`);
  return value;
}
