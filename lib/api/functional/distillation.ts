import { addon } from "../../native.js";
import { nativeTensor, Tensor } from "../tensor.js";

/**
 * Hierarchical context loss of two maps and its gradient: mean squared error of the maps and of their averages over
 * 4×4, 2×2 and 1×1 cells, weighted 1, ½, ¼ and ⅛ and divided by the sum of the weights used.
 *
 * @param student - `[N, C, H, W]`, floating point.
 * @param teacher - the same shape.
 * @returns the loss, and its gradient with respect to `student` in the same shape.
 * @throws ReviewKdError `SHAPE_MISMATCH`, `DTYPE_MISMATCH`, `DISPOSED`.
 * @see Chen et al., "Distilling Knowledge via Knowledge Review" (CVPR 2021), section 3.3.
 * @example
 * ```ts
 * const { loss, gradient } = await hierarchicalContextLoss(studentMap, teacherMap);
 * ```
 */
export async function hierarchicalContextLoss(student: Tensor,
  teacher: Tensor): Promise<{ loss: number; gradient: Tensor }> {
  const { loss, gradient } = await addon().hierarchicalContextLoss(nativeTensor(student, "student"),
    nativeTensor(teacher, "teacher"));
  return { loss, gradient: Tensor.wrap(gradient) };
}
