import type { FeatureSpec, PairExplanation } from "../../index.js";
import { formatBytes, formatCount } from "./format.js";
import { renderTable } from "./table.js";

export function pairText(pair: PairExplanation): string {
  const { teacher, student, trainingOnly, imageSize, numClasses, batchSize } = pair;
  return [
    `${student.name} under ${teacher.name}, ${imageSize.join("×")} pixels, ${numClasses} classes`,
    "",
    stageTable(pair),
    ...unmatchedLines(pair),
    "",
    renderTable(["", "parameters", "multiply-adds"], [
      [`teacher ${teacher.name}`, formatCount(teacher.parameters), formatCount(teacher.multiplyAdds)],
      [`student ${student.name}`, formatCount(student.parameters), formatCount(student.multiplyAdds)],
      ["only in training", formatCount(trainingOnly.parameters), formatCount(trainingOnly.multiplyAdds)],
    ], ["parameters", "multiply-adds"]),
    "multiply-adds: of convolutions and linear layers, in one image's forward pass",
    "",
    memoryTable(pair),
    `extrapolated to batches of ${batchSize} from steps with 2 and 4 images: float32 on the CPU, SGD with momentum; data loading is not included`,
  ].join("\n");
}

const shown = ({ channels, height, width }: FeatureSpec): string => `${channels}@${height}×${width}`;

function stageTable({ stages }: PairExplanation): string {
  const rows = stages.map(({ student, teacher, resized, parameters }) => [
    student.name,
    shown(student),
    teacher.name,
    shown(teacher),
    resized ? `${student.height}×${student.width} → ${teacher.height}×${teacher.width}` : "",
    formatCount(parameters),
  ]);
  return renderTable(["student's stage", "channels@size", "teacher's stage", "channels@size", "resized",
    "fusion parameters"], rows, ["fusion parameters"]);
}

function unmatchedLines({ teacher, student, unmatched }: PairExplanation): string[] {
  const sides = [[teacher.name, student.name, unmatched.teacher], [student.name, teacher.name,
    unmatched.student]] as const;
  return sides.filter(([, , specs]) => specs.length > 0).map(([name, other, specs]) =>
    `without a match, because ${other} has fewer stages: ${specs.map((spec) => `${spec.name} (${shown(spec)})`).join(", ")} of ${name}`
  );
}

function memoryTable({ memory }: PairExplanation): string {
  return renderTable(["training memory", ""], [
    ["parameters and statistics", formatBytes(memory.state)],
    ["momentum buffers", formatBytes(memory.momentumBuffers)],
    ["images, activations, gradients (peak)", formatBytes(memory.step)],
    ["total", formatBytes(memory.tensors)],
    ["including memory cached for reuse", formatBytes(memory.process)],
  ], [""]);
}
