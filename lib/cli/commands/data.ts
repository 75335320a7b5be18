import type { Command } from "commander";
import { fetchDataset, loadDataset, schemas, type DataSourceInput } from "../../index.js";
import { openDataDisplay, showNotices } from "../display/data-progress.js";
import type { Output } from "../display/output.js";
import { escaped, formatBytes, formatCount, wrapList } from "../display/format.js";
import { listenForInterrupt } from "../interrupt.js";
import { openProgress } from "../display/progress-bar.js";
import { renderTable } from "../display/table.js";
import { addAction, addValue } from "../options/add-value.js";
import { addImageFiles, dataSettings, type TrainingFlags } from "../options/training-flags.js";
import { DATA_SPECS, dataSpec, oneOf, path, text } from "../options/values.js";

const FETCHABLE = ["cifar10", "cifar100"] as const;
type Fetchable = (typeof FETCHABLE)[number];

const NAMES_WIDTH = 60;

export function addDataCommand(program: Command): void {
  const data = program.command("data").description("download or inspect a data set");
  const fetch = data.command("fetch")
    .description("download a data set from its home page; resumes an interrupted download");
  fetch.argument("<kind>", FETCHABLE.join(" or "), oneOf(FETCHABLE)("data set"));
  addValue(fetch, "--dir <dir>", "parent directory of the data set's directory (default: data)", path);
  addValue(fetch, "--url <url>", "alternative URL of the archive; its checksum is still verified", text);
  addAction(fetch, fetchInto);

  const info = data.command("info").description("counts, classes and statistics of a data set");
  info.argument("<kind:dir>", DATA_SPECS);
  addImageFiles(info);
  addAction(info, showInfo);
}

async function fetchInto(output: Output, kind: Fetchable, flags: { dir?: string; url?: string }): Promise<void> {
  using interrupt = listenForInterrupt(() => {
    output.notice("\nstopping; run the same command again to resume");
  });
  const progress = openProgress(output);
  try {
    const directory = await fetchDataset({
      kind,
      directory: flags.dir ?? "data",
      signal: interrupt.signal,
      onProgress({ receivedBytes, totalBytes }) {
        const text = `${formatBytes(receivedBytes)}${totalBytes === null ? "" : ` of ${formatBytes(totalBytes)}`}`;
        progress.update(receivedBytes, totalBytes, { label: kind, text }, () => {
          output.line(`${kind}: ${text}`);
          output.event({ type: "fetch-progress", kind, receivedBytes, totalBytes });
        });
      },
      ...(flags.url === undefined ? {} : { url: flags.url }),
    });
    progress.clear();
    output.event({ type: "fetched", kind, directory });
    output.line(`${kind} is in ${directory}; use it with --data ${kind}:${directory}`);
  } finally {
    progress.clear();
  }
}

async function showInfo(output: Output, spec: string, flags: TrainingFlags): Promise<void> {
  using display = openDataDisplay(output);
  const source = dataSettings({ ...flags, data: dataSpec("data set")(spec) }) as DataSourceInput;
  using data = await loadDataset(source, { onProgress: display.loading });
  display.close();
  showNotices(output, data.notices);
  const { kind, numClasses, classNames, normalization, train, test, notices } = data;
  output.event({
    type: "data",
    kind,
    numClasses,
    classNames,
    normalization,
    trainSamples: train.size,
    testSamples: test.size,
    imageShape: train.imageShape,
    notices,
  });
  const statistics = (values: readonly number[]): string => values.map((value) => value.toFixed(4)).join(", ");
  output.line(renderTable([kind, ""], [
    ["training images", formatCount(train.size)],
    ["test images", formatCount(test.size)],
    [schemas.hasBoxes(kind) ? "largest image" : "image shape", train.imageShape.join(" × ")],
    ["classes", formatCount(numClasses)],
    ["mean", statistics(normalization.mean)],
    ["deviation", statistics(normalization.std)],
    ["class names", wrapList(classNames.map(escaped), NAMES_WIDTH)],
  ]));
}
