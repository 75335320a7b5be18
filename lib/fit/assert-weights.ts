import { Detector } from "../api/detection/detector.js";
import type { AnyDistiller } from "../api/distiller.js";
import { ReviewKdError } from "../errors.js";

/**
 * Checks that detectors have the weights without which their distillation is in vain: most students that end below
 * their baseline had a teacher or a backbone that was never loaded.
 *
 * @throws `INVALID_ARGUMENT`: a teacher as initialised; a student as initialised of which a part is frozen.
 */
export function assertWeights({ teacher, student }: AnyDistiller): void {
  if (teacher instanceof Detector && teacher.untrained) {
    throw new ReviewKdError("INVALID_ARGUMENT",
      `invalid teacher ${teacher.name}: expected trained weights, received its initial random values. Create it with \`weights\`, or train it first.`);
  }
  if (!(student instanceof Detector) || !student.untrained) return;
  const { norm, trainableLayers = 0 } = student.detection;
  if (norm !== "frozen" && trainableLayers === ALL_LAYERS) return;
  throw new ReviewKdError("INVALID_ARGUMENT",
    `invalid student ${student.name}: expected weights for its frozen parts, received initial random values, which would stay as they are. Create it with \`backboneWeights\` or \`weights\`, or train all of it: \`detection: { norm: "batch", trainableLayers: ${ALL_LAYERS} }\`.`);
}

const ALL_LAYERS = 5;
