import type { FeatureSpec, PairExplanation } from "../../index.js";
import { formatBytes, formatCount } from "./format.js";
import { renderTable } from "./table.js";

export function pairText(pair: PairExplanation): string {
  const { teacher, student, trainingOnly, imageSize, inputSize, numClasses } = pair;
  const padding = imageSize.join() === inputSize.join() ? "" : ` (padded to ${inputSize.join("×")})`;
  return [
    `${student.name} under ${teacher.name}, ${imageSize.join("×")} pixels${padding}, ${numClasses} classes`,
    "",
    stageTable(pair),
    ...unmatchedLines(pair),
    "",
    renderTable(["", "parameters", "multiply-adds"], [
      ...networkRows("teacher", teacher),
      ...networkRows("student", student),
      costRow("only in training", trainingOnly),
    ], ["parameters", "multiply-adds"]),
    "multiply-adds: of convolutions and linear layers, in one image's forward pass",
    ...detectorLines(pair),
    "",
    memoryTable(pair),
    memorySource(pair),
  ].join("\n");
}

type Network = PairExplanation["teacher"];
type Cost = PairExplanation["trainingOnly"];

function costRow(label: string, { parameters, multiplyAdds }: Cost): string[] {
  return [label, formatCount(parameters), formatCount(multiplyAdds)];
}

function networkRows(role: string, network: Network): string[][] {
  const { name, pyramid } = network;
  if (pyramid === null) return [costRow(`${role} ${name}`, network)];
  return [costRow(`${role} ${name}, the whole detector`, network),
    costRow(`${role}, backbone and pyramid alone`, pyramid)];
}

/** The parts of detectors that are counted. */
function detectorLines({ teacher, student }: PairExplanation): string[] {
  if (teacher.pyramid === null) return [];
  const regions = [student, teacher].flatMap((network) => {
    if (network.regions === null) return [];
    const { proposals, masks } = network.regions;
    return [`${network.name} on ${proposals} proposals${masks === 0 ? "" : ` and ${masks} masks`}`];
  });
  return [
    ...(regions.length === 0 ? [] : [`whole detectors: ${regions.join(", ")}, as many as detection has at most`]),
    "review runs the teacher's backbone and pyramid alone, and all of the student",
  ];
}

function memorySource({ batchSize, teacher, memory: { measuredBatches } }: PairExplanation): string {
  const source = measuredBatches.length === 1 ? `measured in a step with ${measuredBatches.join()} images`
    : `extrapolated to batches of ${batchSize} from steps with ${measuredBatches.join(" and ")} images`;
  const networks = teacher.pyramid === null ? ""
    : "; backbones as with weights: frozen norms, the last three stages trained";
  return `${source}: float32 on the CPU, SGD with momentum; data loading is not included${networks}`;
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
  return sides.filter(([, , specs]) => specs.length > 0).map(([name, other, specs]) => {
    const reason = teacher.pyramid === null ? `${other} has fewer stages` : `${other} has no level of that name`;
    return `without a match, because ${reason}: ${specs.map((spec) => `${spec.name} (${shown(spec)})`).join(", ")} of ${name}`;
  });
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
