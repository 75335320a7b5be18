// The form for a new run.
import type { z } from "zod";
import { Plan, type Description } from "../shared/contract.js";
import type { Asker } from "./ask.js";
import { formatCount } from "./format.js";
import { byId, element, setText } from "./page.js";

export interface PlanFormOptions {
  readonly asker: Asker;
  readonly onPlan: (plan: Plan) => Promise<void>;
  readonly onFailure: (error: unknown) => void;
}

/** The ids of form fields that differ from the plan's names. */
const FIELDS: Readonly<Record<string, string>> = { teacherWeights: "choose-weights", "data.root": "choose-root" };

/** Reads the user's plan and reports invalid fields. */
export class PlanForm {
  readonly #form = byId("plan", HTMLFormElement);
  readonly #start = byId("start", HTMLButtonElement);
  readonly #teacher = byId("teacher", HTMLSelectElement);
  readonly #student = byId("student", HTMLSelectElement);
  readonly #method = byId("method", HTMLSelectElement);
  readonly #data = byId("data", HTMLSelectElement);
  #weights: string | null = null;
  #root: string | null = null;
  #summaries: Readonly<Record<string, string>> = {};

  constructor(private readonly options: PlanFormOptions) {
    const { asker, onFailure } = options;
    this.#form.addEventListener("change", () => {
      this.#arrange();
    });
    this.#form.addEventListener("input", ({ target }) => {
      if (target instanceof HTMLElement) target.removeAttribute("aria-invalid");
    });
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit().catch(onFailure);
    });
    byId("choose-weights", HTMLButtonElement).addEventListener("click", () => {
      this.#chooseWeights(asker).catch(onFailure);
    });
    byId("choose-root", HTMLButtonElement).addEventListener("click", () => {
      asker.ask("chooseDirectory", {}).then((chosen) => {
        if (chosen === null) return;
        this.#root = chosen.path;
        setText(byId("root", HTMLOutputElement), chosen.path);
      }).catch(onFailure);
    });
    this.#arrange();
  }

  /** Fills in the networks and methods that the trainer offers. */
  offer({ networks, methods }: Description): void {
    for (const [select, first] of [[this.#teacher, "resnet14"], [this.#student, "resnet8"]] as const) {
      const groups = [["For small images", networks.filter(({ imageSize }) => imageSize < 64)], ["For ImageNet",
        networks.filter(({ imageSize }) => imageSize >= 64)]] as const;
      select.replaceChildren(
        ...groups.map(([label, entries]) =>
          element("optgroup", { label }, ...entries.map(({ name, parameters }) =>
            element("option", { value: name }, `${name} · ${formatCount(parameters)} parameters`)
          ))
        ),
      );
      select.value = first;
    }
    this.#method.replaceChildren(...methods.map(({ kind }) => element("option", { value: kind }, kind)));
    this.#method.value = "review";
    this.#summaries = Object.fromEntries(methods.map(({ kind, summary }) => [kind, summary]));
    this.#arrange();
  }

  /** Sets whether a run can be started now. */
  allow(allowed: boolean, reason: string): void {
    this.#start.disabled = !allowed;
    this.#start.title = allowed ? "" : reason;
  }

  focus(): void {
    this.#teacher.focus();
  }

  /** Shows the fields that belong to the current choices. */
  #arrange(): void {
    const kind = this.#data.value;
    byId("synthetic-row", HTMLElement).hidden = kind !== "synthetic";
    byId("root-row", HTMLElement).hidden = kind === "synthetic";
    byId("image-size-row", HTMLElement).hidden = kind !== "image-folder";
    byId("weights-row", HTMLElement).hidden = !this.#takesFile();
    setText(byId("method-summary", HTMLElement), this.#summaries[this.#method.value] ?? "");
  }

  #takesFile(): boolean {
    return new FormData(this.#form).get("teacherFrom") === "file";
  }

  async #chooseWeights(asker: Asker): Promise<void> {
    const chosen = await asker.ask("chooseWeights", {});
    if (chosen === null) return;
    this.#weights = chosen.path;
    const known = chosen.network === null ? "unknown network" : `${chosen.network}, ${chosen.numClasses ?? 0} classes`;
    setText(byId("weights", HTMLOutputElement), `${chosen.path} (${known})`);
    if (chosen.network !== null) this.#teacher.value = chosen.network;
  }

  async #submit(): Promise<void> {
    for (const field of this.#form.querySelectorAll("[aria-invalid]")) field.removeAttribute("aria-invalid");
    const { data, error } = Plan.safeParse(this.#read());
    const missing = this.#takesFile() && this.#weights === null
      ? { path: ["teacherWeights"], message: "Choose the file of the teacher's weights." } : undefined;
    const issue = missing ?? error?.issues[0];
    if (issue !== undefined || data === undefined) {
      const path = issue?.path ?? [];
      const field = document.getElementById(FIELDS[path.join(".")] ?? String(path.at(-1)));
      field?.setAttribute("aria-invalid", "true");
      field?.focus();
      const label = field === null ? path.join(".")
        : document.querySelector(`label[for="${field.id}"]`)?.textContent ?? field.textContent;
      throw new Error(`${label}: ${issue?.message ?? ""}`, { cause: "INVALID_ARGUMENT" });
    }
    this.#start.disabled = true;
    await this.options.onPlan(data);
  }

  #read(): z.input<typeof Plan> {
    const number = (id: string): number => byId(id, HTMLInputElement).valueAsNumber;
    return {
      teacher: this.#teacher.value,
      teacherWeights: this.#takesFile() ? this.#weights : null,
      student: this.#student.value,
      method: this.#method.value,
      weight: number("weight"),
      alone: byId("alone", HTMLInputElement).checked,
      data: this.#readData(number),
      epochs: number("epochs"),
      batchSize: number("batchSize"),
      learningRate: number("learningRate"),
      seed: number("seed"),
    };
  }

  #readData(number: (id: string) => number): Plan["data"] {
    const root = this.#root ?? "";
    switch (this.#data.value) {
      case "cifar10":
        return { kind: "cifar10", root };
      case "cifar100":
        return { kind: "cifar100", root };
      case "image-folder":
        return { kind: "image-folder", root, imageSize: number("imageSize") };
      default:
        return { kind: "synthetic", numClasses: number("numClasses"), trainSamples: number("trainSamples"),
          testSamples: number("testSamples") };
    }
  }
}
