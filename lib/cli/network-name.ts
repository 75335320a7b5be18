import { inspectWeights, listDetectors, listModels, ReviewKdError, type ArchitectureMatch,
  type WeightsChoice } from "../index.js";
import { formatCount, printable } from "./display/format.js";

type Metadata = Readonly<Record<string, string>>;

/** As `save_pretrained` names the files of a network that it divides. */
const SHARD = /-\d{5}-of-\d{5}\.\w+$/;

/** The network that a file's metadata name; `undefined` for names of other tools. */
export function recordedName({ model }: Metadata): string | undefined {
  if (model === undefined) return undefined;
  return listModels().some(({ name }) => name === model) || listDetectors().includes(model) ? model : undefined;
}

/** The prefixes of a file with several networks, as --key takes them. */
export function keysOf({ prefix, otherPrefixes }: ArchitectureMatch): string[] {
  return [prefix, ...otherPrefixes].filter((each) => each !== "").map((each) => each.replace(/\.$/, ""));
}

/**
 * The name of the network whose weights a file has.
 *
 * @param given - by the user, which has precedence.
 * @param metadata - of the file.
 * @param choice - of one of its state dicts.
 * @param assertSuits - throws for a network that the command does not use.
 * @throws ReviewKdError `INVALID_ARGUMENT` if neither has it, with the name of the network that the file fits.
 */
export async function networkName(weights: string, given: string | undefined, metadata: Metadata,
  choice: WeightsChoice = {}, assertSuits: (name: string) => void = () => undefined): Promise<string> {
  const name = given ?? recordedName(metadata);
  if (name !== undefined) {
    assertSuits(name);
    return name;
  }
  const { fit } = await inspectWeights(weights, choice);
  assertSingle(weights, fit);
  if (fit !== null && fit.matching === fit.entries) {
    assertSuits(fit.name);
    const others = fit.differences.unexpected.length;
    const remedy = others === 0 ? `Pass --model ${fit.name}, which it fits.`
      : `Pass --model ${fit.name} --no-strict, which leaves its ${formatCount(others)} other entries aside.`;
    throw new ReviewKdError("INVALID_ARGUMENT", `missing --model: "${weights}" does not name its network. ${remedy}`);
  }
  const nearest = fit === null ? ""
    : ` The nearest, ${fit.name}, has ${fit.matching} of its ${fit.entries} entries in it.`;
  const remedy = SHARD.test(weights)
    ? "It is one of several files with parts of a network: pass their index, such as model.safetensors.index.json."
    : "Pass the weights of a network that is listed there, or --model NAME.";
  throw new ReviewKdError("INVALID_ARGUMENT",
    `missing --model: "${weights}" does not name its network, and fits none of \`reviewkd models\`.${nearest} ${remedy}`);
}

/** @throws ReviewKdError `INVALID_ARGUMENT` for a file with several networks, none of which was chosen. */
export function assertSingle(weights: string, fit: ArchitectureMatch | null): void {
  if (fit === null || fit.otherPrefixes.length === 0) return;
  const keys = keysOf(fit);
  const flags = keys.map((key) => `--key ${printable(key)}`);
  // One has nothing before its names.
  if (keys.length <= fit.otherPrefixes.length) flags.push("the other one with --model NAME --no-strict");
  throw new ReviewKdError("INVALID_ARGUMENT",
    `missing --key: "${weights}" has several networks. Choose one with ${flags.join(", or ")}.`, { valid: keys });
}
