import { inspectWeights, ReviewKdError, type WeightsChoice } from "../index.js";

/**
 * The name of the network whose weights a file has.
 *
 * @param given - by the user, which has precedence.
 * @param metadata - of the file.
 * @param choice - of one of its state dicts.
 * @param assertSuits - throws for a network that the command does not use.
 * @throws ReviewKdError `INVALID_ARGUMENT` if neither has it, with the name of the network that the file fits.
 */
export async function networkName(weights: string, given: string | undefined,
  metadata: Readonly<Record<string, string>>, choice: WeightsChoice = {},
  assertSuits: (name: string) => void = () => undefined): Promise<string> {
  const name = given ?? metadata["model"];
  if (name !== undefined) {
    assertSuits(name);
    return name;
  }
  const { fit } = await inspectWeights(weights, choice);
  if (fit !== null && fit.matching === fit.entries) {
    assertSuits(fit.name);
    throw new ReviewKdError("INVALID_ARGUMENT",
      `missing --model: "${weights}" does not name its network. Pass --model ${fit.name}, which it fits.`);
  }
  const nearest = fit === null ? ""
    : ` The nearest, ${fit.name}, has ${fit.matching} of its ${fit.entries} entries in it.`;
  throw new ReviewKdError("INVALID_ARGUMENT",
    `missing --model: "${weights}" does not name its network, and fits none of \`reviewkd models\`.${nearest} Pass the weights of a network that is listed there, or --model NAME.`);
}
