import { type Dataset } from "../api/dataset.js";
import { loadDataset } from "../datasets/load-dataset.js";
import { buildTeacher } from "../runs/experiment.js";
import { locateFiles } from "../runs/working-directory.js";
import type { Detector } from "../api/detection/detector.js";
import type { Model } from "../api/model.js";
import type { RunConfig } from "../config/schemas/run-config.js";
import type { StudyConfig } from "../config/schemas/study.js";

type DistillConfig = Extract<RunConfig, { task: "distill" }>;

/** Data and teacher shared by a study's cells, loaded once on first use. */
export class SharedInputs implements Disposable {
  #data: Promise<Dataset> | undefined;
  #teacher: { readonly model: Model | Detector; readonly weights: string } | undefined;

  constructor(private readonly source: StudyConfig["data"]) {}

  data(): Promise<Dataset> {
    if (this.#data !== undefined) return this.#data;
    const loading = loadDataset(this.source);
    this.#data = loading;
    // The next cell may succeed, such as after a lack of memory.
    loading.catch(() => {
      if (this.#data === loading) this.#data = undefined;
    });
    return loading;
  }

  /** The trained teacher of a distillation, in the state of its weights file. */
  async teacher(config: DistillConfig): Promise<Model | Detector> {
    const { teacher, training } = await locateFiles(config);
    if (this.#teacher?.weights !== teacher.weights) {
      this.#unloadTeacher();
      this.#teacher = { model: await buildTeacher(teacher, await this.data(), training.seed, training.device),
        weights: teacher.weights };
    }
    return this.#teacher.model;
  }

  /** Call after each distillation: a teacher in train mode has updated its running statistics and must be reloaded. */
  used({ method }: Pick<DistillConfig, "method">): void {
    if (method.teacherMode === "train") this.#unloadTeacher();
  }

  #unloadTeacher(): void {
    this.#teacher?.model.dispose();
    this.#teacher = undefined;
  }

  [Symbol.dispose](): void {
    this.#unloadTeacher();
    // A data set that could not be loaded has nothing to free.
    void this.#data?.then((data) => {
      data.dispose();
    }, () => undefined);
  }
}
