// The window in a real Chromium: the built page behind the preload script, with the application's main process and a
// real worker process.
//   REVIEWKD_PICTURES=DIRECTORY also takes the README's pictures, of a longer training.
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { Bench, lives } from "./driver.js";
import { ChromiumFront, findChromium, launchChromium } from "./fronts.js";
import type { StandInElectron } from "./stand-in.js";

// @env REVIEWKD_PICTURES tests: The directory that receives new pictures of the example's window. Default: none is
// taken.
const pictures = process.env["REVIEWKD_PICTURES"];
const SIZE = { width: 1180, height: 800 };

describe("the Electron example's window in Chromium", function () {
  this.timeout(pictures === undefined ? 180_000 : 1_200_000);
  this.slow(30_000);

  let browser: Browser | undefined;
  let bench: Bench;
  let context: BrowserContext;
  let electron: StandInElectron;
  let front: ChromiumFront;
  let page: Page;

  before(async function () {
    const executable = findChromium();
    if (executable === undefined) {
      console.log(
        "    skipped: no Chromium found for the window (apt-get install chromium, or name one by REVIEWKD_CHROMIUM).",
      );
      console.log("    The application behind it, its preload script and the page's logic are tested without one.");
      this.skip();
    }
    browser = await launchChromium(executable);
  });
  after(async () => {
    await browser?.close();
  });

  async function open(colorScheme: "light" | "dark" = "light"): Promise<void> {
    context = await browser!.newContext({ viewport: SIZE, colorScheme, reducedMotion: "reduce" });
    ({ electron, front } = await bench.start(new ChromiumFront(context)));
    page = front.page;
    await page.locator("#start:enabled").waitFor();
  }

  async function close(): Promise<void> {
    electron.window.close();
    await electron.quit;
    await context.close();
  }

  beforeEach(async () => {
    bench = await Bench.make();
    await open();
  });
  afterEach(async function () {
    if (this.currentTest?.isFailed() === true)
      console.log(await page.locator("body").innerText().catch(() => "no page"));
    await close();
    bench[Symbol.dispose]();
    // Chromium logs everything that the content security policy forbids.
    expect(front.complaints).to.deep.equal([]);
  });

  async function picture(name: string): Promise<void> {
    if (pictures === undefined) return;
    mkdirSync(pictures, { recursive: true });
    await page.screenshot({ path: join(pictures, `${name}.png`), animations: "disabled" });
  }

  async function fillIn(plan: Readonly<Record<string, string>>): Promise<void> {
    for (const [label, value] of Object.entries(plan)) await page.getByLabel(label, { exact: true }).fill(value);
  }

  const short = { Classes: "4", "To train": "64", "To test": "32", Epochs: "10", "Batch size": "16",
    "Learning rate": "0.05" };
  const start = async (): Promise<void> => {
    await page.getByRole("button", { name: "Start training" }).click();
  };
  const trainerPid = async (): Promise<number> =>
    Number(/process (\d+)\./.exec(await page.locator("#about").innerText())?.[1]);
  const statusIs = async (status: string, timeout = 120_000): Promise<void> => {
    await page.locator(`#run-status[data-status="${status}"]`).waitFor({ timeout });
  };
  /** Waits until the table of epochs shows that many epochs of a part. */
  const epochShown = async (part: string, epoch: number): Promise<void> => {
    await page.waitForFunction(([name, wanted]) => {
      const head = [...document.querySelectorAll("#table th")].findIndex((cell) =>
        cell.textContent === `${name}: accuracy`
      );
      const cell = document.querySelector(`#table tbody tr:nth-child(${String(wanted)}) td:nth-child(${head + 1})`);
      return cell !== null && cell.textContent !== "–";
    }, [part, epoch] as const, { timeout: 600_000 });
  };

  /** The number of pixels of a chart that have a colour of the style sheet. */
  const inked = (chart: string, colour: string): Promise<number> =>
    page.evaluate(([id, name]) => {
      const canvas = document.querySelector<HTMLCanvasElement>(`#${id} canvas`);
      if (canvas === null) return 0;
      const copy = Object.assign(document.createElement("canvas"), { width: canvas.width, height: canvas.height })
        .getContext("2d", { willReadFrequently: true });
      copy?.drawImage(canvas, 0, 0);
      const pixels = copy?.getImageData(0, 0, canvas.width, canvas.height).data ?? new Uint8ClampedArray();
      const wanted = getComputedStyle(document.documentElement).getPropertyValue(name).trim();
      const [red, green, blue] = [1, 3, 5].map((at) => parseInt(wanted.slice(at, at + 2), 16));
      let count = 0;
      for (let at = 0; at < pixels.length; at += 4)
        if (pixels[at] === red && pixels[at + 1] === green && pixels[at + 2] === blue) ++count;
      return count;
    }, [chart, colour] as const);

  it("trains, draws, stops, resumes and exports", async () => {
    await picture("1-new-run");
    // The pictures' run is long enough for curves; the test's takes seconds.
    await fillIn(
      pictures === undefined ? short : { "To train": "1200", "To test": "600", Epochs: "12", "Learning rate": "0.1" },
    );
    await start();
    await statusIs("running");
    await epochShown("Student distilled", pictures === undefined ? 1 : 6);
    // Paused, so that the following checks happen during training however fast it is.
    const pid = await trainerPid();
    process.kill(pid, "SIGSTOP");
    expect(await page.locator("#rate").innerText()).to.match(/^Student distilled: \d+ images\/s · .+ to go$/);
    expect(await page.locator("#steps li").evaluateAll((items) => items.map((item) => item.getAttribute("data-state"))))
      .to.deep.equal(["done", "done", "running"]);
    for (const [chart, colour] of [["accuracy", "--teacher"], ["accuracy", "--alone"], ["loss", "--cross-entropy"], [
      "loss",
      "--term",
    ]] as const) {
      expect(await inked(chart, colour), `${chart} in ${colour}`).to.be.above(20);
    }
    await picture("2-training");

    // The page responds while the trainer is paused: the loss of another part, the form, and back.
    await page.getByRole("button", { name: "Teacher", exact: true }).click();
    await page.getByRole("img", { name: 'Losses of the part "Teacher"' }).waitFor();
    await page.getByRole("button", { name: "New run" }).click();
    expect(await page.getByRole("button", { name: "Start training" }).isDisabled()).to.equal(true);
    await page.getByRole("button", { name: /resnet8 under resnet14/ }).click();

    await page.getByRole("button", { name: "Stop" }).click();
    await statusIs("stopping");
    process.kill(pid, "SIGCONT");
    await statusIs("stopped");
    await page.getByRole("button", { name: "Resume" }).click();
    await statusIs("finished", 600_000);
    const sentence = await page.locator("#accuracy").getAttribute("aria-label");
    expect(sentence).to.match(
      /^Test accuracy by epoch\. Teacher: [\d.]+ %; Student alone: [\d.]+ %; Student distilled: [\d.]+ %\.$/,
    );
    expect(await page.locator("#results .figure").allInnerTexts()).to.deep.equal(
      [...sentence!.matchAll(/[\d.]+ %/g)].map(([figure]) => figure),
    );
    expect(await page.locator("#results").innerText()).to.match(/points against alone/);

    for (const format of ["safetensors", "pt"]) {
      const path = join(bench.directory, `student.${format}`);
      electron.choices.push(path);
      await page.locator("#export-format").selectOption(format);
      await page.getByRole("button", { name: "Export…" }).click();
      await page.getByText(`The student was saved as ${path}.`).last().waitFor({ state: "attached" });
      expect(existsSync(path)).to.equal(true);
    }
    if (pictures === undefined) return;
    // In the dark theme, and without the paths of a test.
    await close();
    await open("dark");
    await page.getByRole("button", { name: /resnet8 under resnet14/ }).click();
    await page.locator("#results .figure").first().waitFor();
    await page.waitForTimeout(300);
    await picture("3-finished");
  });

  it("is drawn in the system's colours, light or dark", async () => {
    const background = (): Promise<string> => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const light = await background();
    await page.emulateMedia({ colorScheme: "dark" });
    expect(light).to.equal("rgb(246, 247, 249)");
    expect(await background()).to.equal("rgb(20, 24, 31)");
  });

  it("fits a small window without scrolling sideways", async () => {
    const { minWidth, minHeight } = electron.window.options;
    await page.setViewportSize({ width: minWidth, height: minHeight });
    const tooWide = (): Promise<number> =>
      page.evaluate(() =>
        Math.max(...["main", ".sidebar", "#runs", "body"].map((name) => {
          const { scrollWidth = 0, clientWidth = 0 } = document.querySelector(name) ?? {};
          return scrollWidth - clientWidth;
        }))
      );
    expect(await tooWide()).to.equal(0);
    await fillIn(short);
    await start();
    await epochShown("Student distilled", 1);
    expect(await tooWide()).to.equal(0);
    await statusIs("finished");
  });

  it("can be used by the keyboard alone, and names every field", async () => {
    const unnamed = await page.locator("input:visible, select:visible, button:visible").evaluateAll((fields) =>
      fields.filter((field) => {
        const labels = (field as HTMLInputElement).labels;
        return (labels === null || labels.length === 0) && field.textContent.trim() === "" &&
          !field.hasAttribute("aria-label");
      }).map((field) => field.id)
    );
    expect(unnamed).to.deep.equal([]);
    await fillIn({ ...short, Epochs: "300" });
    const focused = new Set<string>();
    await page.keyboard.press("Tab");
    for (let step = 0; step < 30; ++step) {
      const id = await page.evaluate(() => document.activeElement?.id ?? "");
      focused.add(id);
      await page.keyboard.press("Tab");
    }
    expect([...focused]).to.include.members(["new-run", "start", "teacher", "student", "data", "method", "epochs",
      "learningRate"]);
    await page.locator("#start").focus();
    await page.keyboard.press("Enter");
    await statusIs("running");
    await page.locator("#stop").focus();
    await page.keyboard.press("Space");
    await statusIs("stopped");
  });

  it("reports an invalid field and focuses it", async () => {
    await fillIn({ "Learning rate": "0" });
    await start();
    await page.getByRole("alert").getByText("INVALID_ARGUMENT").waitFor();
    expect(await page.getByRole("alert").innerText()).to.include("Learning rate: ");
    expect(await page.evaluate(() => document.activeElement?.id)).to.equal("learningRate");
    expect(await page.locator("#learningRate").getAttribute("aria-invalid")).to.equal("true");
    await page.getByLabel("Take trained weights").check();
    await fillIn({ "Learning rate": "0.1" });
    await start();
    await page.getByText("Choose the file of the teacher's weights.").waitFor();
    await page.getByRole("button", { name: "Dismiss" }).click();
    await page.getByRole("alert").waitFor({ state: "hidden" });
  });

  it("reports that the trainer died and what to do, and resumes", async () => {
    const pid = await trainerPid();
    await fillIn({ ...short, Epochs: pictures === undefined ? "300" : "30" });
    await start();
    await epochShown("Teacher", 3);
    process.kill(pid, "SIGKILL");
    await page.getByRole("alert").getByText("WORKER_EXITED").waitFor();
    expect(await page.getByRole("alert").innerText()).to.include("continues from its last checkpoint").and.include(
      "SIGKILL",
    );
    expect(lives(pid)).to.equal(false);
    if (pictures !== undefined) {
      await page.waitForTimeout(300);
      // Hides the path of the test.
      await page.locator("#notice-message").evaluate((node, directory) => {
        node.textContent = node.textContent.replace(directory, "…");
      }, bench.userData);
    }
    await picture("4-trainer-died");
    await page.getByRole("button", { name: "Resume" }).click();
    await page.getByRole("alert").waitFor({ state: "hidden" });
    await epochShown("Teacher", 10);
    await page.getByRole("button", { name: "Stop" }).click();
    await statusIs("stopped");
  });

  it("shows its run after a reload during training", async () => {
    await fillIn({ ...short, Epochs: "300" });
    await start();
    await epochShown("Teacher", 2);
    electron.window.webContents.emit("render-process-gone", {}, { reason: "crashed" });
    await page.locator("#plan:visible, #run:visible").waitFor();
    await statusIs("running");
    await epochShown("Teacher", 4);
  });

  it("runs only its own script, loads nothing from elsewhere, and has no access to Node", async () => {
    const outcome = await page.evaluate(async () => {
      const script = document.createElement("script");
      script.textContent = "window.injected = true";
      document.body.append(script);
      const fetched = await fetch("https://elsewhere.example/").then(() => "fetched", () => "refused");
      const globals = ["require", "process", "module", "Buffer"].filter((name) => name in window);
      return { injected: "injected" in window, fetched, globals, frozen: Object.isFrozen(window.trainer) };
    });
    expect(outcome).to.deep.equal({ injected: false, fetched: "refused", globals: [], frozen: true });
    const refused = front.complaints.splice(0);
    expect(refused.filter((text) => text.includes("Content Security Policy"))).to.have.length.of.at.least(2);
  });
});
