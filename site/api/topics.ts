// The parts of the API reference, each a folder of pages: which source files belong to which.

export interface Topic {
  /** The folder of its pages. */
  readonly name: string;
  readonly title: string;
  readonly summary: string;
  /** Paths below `lib` of the files that declare its members. */
  readonly files: RegExp;
}

/** In the order of the sidebar. A file belongs to the first topic that names it. */
export const TOPICS: readonly Topic[] = [
  { name: "worker", title: "Worker", summary: "The package `reviewkd/worker`: a trainer in a process of its own.",
    files: /^worker\// },
  { name: "training", title: "Training", summary: "`fit`, sessions, and the settings of a training.",
    files:
      /^(?:fit|runs)\/|^api\/(?:session|task|native-object)\.|schemas\/(?:training|fit-event|epoch|losses|task|run-record)\./ },
  { name: "networks", title: "Networks", summary: "Classifiers by name, their weights files, and predictions.",
    files: /^(?:weights|api\/classification)\/|^api\/(?:model|network)\.|schemas\/(?:model|weights)\./ },
  { name: "export", title: "Export", summary: "Trained networks as ONNX files and for transformers.js.",
    files: /^api\/onnx\/|schemas\/onnx\./ },
  { name: "distillation", title: "Distillation", summary: "Teacher, student and the methods between them.",
    files: /^api\/(?:distiller|explain-pair)\.|schemas\/(?:method|pair)\.|functional\/distillation\./ },
  { name: "data", title: "Data", summary: "Data sets for training and evaluation, and files of images.",
    files: /^images\/|^api\/dataset\.|^datasets\/(?:load-dataset|fetch|download)\.|schemas\/(?:data|stream)\./ },
  { name: "detection", title: "Detection", summary: "Detectors, found objects, and boxes and masks of data sets.",
    files: /^(?:detection|datasets\/detection|api\/detection)\/|schemas\/detection\/|^config\/detector-defaults\./ },
  { name: "tensors", title: "Tensors", summary: "Tensors, their element types, and devices.",
    files: /^api\/(?:tensor|functional\/)|schemas\/common\.|^native-types\./ },
  { name: "studies", title: "Studies", summary: "Many trainings, compared.", files: /^study\/|schemas\/study\./ },
  { name: "configuration", title: "Configuration", summary: "Run configurations and published presets.",
    files: /^config\// },
  { name: "processes", title: "Processes", summary: "Several processes and machines that train together.",
    files: /^distributed\/|^api\/process-group\.|^runs\/hang-up\./ },
  { name: "system", title: "Errors and system", summary: "Errors with codes, the installation, and the machine.",
    files: /^(?:install\/|errors\.|native\.|api\/system\.|make-directory\.|replace-file\.)|schemas\/system\./ },
];

/** The namespaces that the package exports, whose members are a topic of their own. */
export const NAMESPACES: readonly Omit<Topic, "files">[] = [
  { name: "functional", title: "functional",
    summary: 'Operations on tensors: `import { functional } from "reviewkd"`.' },
  { name: "masks", title: "masks", summary: 'Run-length encoded masks: `import { masks } from "reviewkd"`.' },
];

/** The topic of what a file declares; its path is relative to `lib`. */
export function topicOf(file: string): string {
  const files = file.replaceAll("\\", "/");
  // More specific than the folders that the first topics name as a whole.
  const own = TOPICS.find(({ name, files: pattern }) => name === "processes" && pattern.test(files)) ??
    TOPICS.find(({ files: pattern }) => pattern.test(files));
  if (own === undefined)
    throw new Error(`no topic of the API reference for lib/${file}. Add the file to a topic in site/api/topics.ts.`);
  return own.name;
}
