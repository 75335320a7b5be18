// The scenarios that the example's window is tested with, driven through its page in each kind of window.
//   REVIEWKD_PICTURES=DIRECTORY also takes the README's pictures, of a longer training.
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import type { Page } from "playwright-core";
import sharp from "sharp";
import { Bench, untilGone } from "./driver.js";
import { PageDriver } from "./page-driver.js";
import type { Skipped, TestWindow, Theme, WindowKind } from "./test-window.js";

// @env REVIEWKD_PICTURES tests: The directory that receives new pictures of the example's window. Default: none is
// taken.
const pictures = process.env["REVIEWKD_PICTURES"];

const SHORT = { Classes: "4", "To train": "64", "To test": "32", Epochs: "10", "Batch size": "16",
  "Learning rate": "0.05" };
/** Long enough for curves in a picture. */
const OF_PICTURES = { "To train": "1200", "To test": "600", Epochs: "12", "Learning rate": "0.1" };

/** The window of the running test. */
export interface Opened<Kind extends TestWindow> {
  readonly shown: Kind;
  readonly bench: Bench;
}

/**
 * Describes the scenarios in a kind of window.
 *
 * @param prepare - Starts what all windows share, or returns why none can be opened here.
 * @param more - Scenarios of this kind alone.
 */
export function describeWindow<Kind extends TestWindow>(name: string,
  prepare: () => Promise<WindowKind<Kind> | Skipped>,
  more: (opened: () => Opened<Kind>) => void = () => undefined): void {
  describe(`the Electron example's window in ${name}`, function () {
    this.timeout(pictures === undefined ? 180_000 : 1_200_000);
    this.slow(30_000);

    let kind: WindowKind<Kind> | undefined;
    let bench: Bench;
    let shown: Kind;
    let page: Page;
    let driver: PageDriver;

    before(async function () {
      const prepared = await prepare();
      if ("missing" in prepared) {
        console.log(`    skipped: ${prepared.missing.replace(/\.$/, "")}.`);
        console.log("    The application behind it, its preload script and the page's logic are tested without one.");
        this.skip();
      }
      kind = prepared;
    });
    after(async () => {
      await kind?.end();
    });

    function use(other: Page): void {
      page = other;
      driver = new PageDriver(other);
    }

    async function open(theme: Theme = "light"): Promise<void> {
      shown = await kind!.open(bench, theme);
      use(shown.page);
      await page.locator("#start:enabled").waitFor();
    }

    beforeEach(async () => {
      bench = new Bench();
      await open();
    });
    afterEach(async function () {
      if (this.currentTest?.isFailed() === true)
        console.log(await page.locator("body").innerText().catch(() => "no page"));
      await shown.close();
      bench[Symbol.dispose]();
      // Chromium logs everything that the content security policy forbids.
      expect(shown.complaints).to.deep.equal([]);
    });

    async function picture(name: string): Promise<void> {
      if (pictures === undefined) return;
      mkdirSync(pictures, { recursive: true });
      // A palette makes the file less than half as large, and no difference to the eye.
      await sharp(await page.screenshot({ animations: "disabled" })).png({ palette: true, effort: 10 })
        .toFile(join(pictures, `${name}.png`));
    }

    it("trains, draws, stops, resumes and exports", async () => {
      await picture("1-new-run");
      // The pictures' run is long enough for curves; the test's takes seconds.
      await driver.fillIn(pictures === undefined ? SHORT : OF_PICTURES);
      await driver.start();
      await driver.statusIs("running");
      await driver.epochShown("Student distilled", pictures === undefined ? 1 : 6);
      // Paused, so that the following checks happen during training however fast it is.
      const pid = await driver.trainerPid();
      process.kill(pid, "SIGSTOP");
      expect(await page.locator("#rate").innerText()).to.match(/^Student distilled: \d+ images\/s · .+ to go$/);
      expect(
        await page.locator("#steps li").evaluateAll((items) => items.map((item) => item.getAttribute("data-state"))),
      )
        .to.deep.equal(["done", "done", "running"]);
      for (const [chart, colour] of [["accuracy", "--teacher"], ["accuracy", "--alone"], ["loss", "--cross-entropy"], [
        "loss",
        "--term",
      ]] as const) {
        expect(await driver.inked(chart, colour), `${chart} in ${colour}`).to.be.above(20);
      }
      await picture("2-training");

      // The page responds while the trainer is paused: the loss of another part, the form, and back.
      await page.getByRole("button", { name: "Teacher", exact: true }).click();
      await page.getByRole("img", { name: 'Losses of the part "Teacher"' }).waitFor();
      await page.getByRole("button", { name: "New run" }).click();
      expect(await page.getByRole("button", { name: "Start training" }).isDisabled()).to.equal(true);
      await page.getByRole("button", { name: /resnet8 under resnet14/ }).click();

      await page.getByRole("button", { name: "Stop" }).click();
      await driver.statusIs("stopping");
      process.kill(pid, "SIGCONT");
      await driver.statusIs("stopped");
      await page.getByRole("button", { name: "Resume" }).click();
      await driver.statusIs("finished", 600_000);
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
        await shown.answerDialog(path);
        await page.locator("#export-format").selectOption(format);
        await page.getByRole("button", { name: "Export…" }).click();
        await page.getByText(`The student was saved as ${path}.`).last().waitFor({ state: "attached" });
        expect(existsSync(path)).to.equal(true);
      }
      if (pictures === undefined) return;
      // In the dark theme, and without the paths of a test.
      await shown.close();
      await open("dark");
      await page.getByRole("button", { name: /resnet8 under resnet14/ }).click();
      await page.locator("#results .figure").first().waitFor();
      await page.waitForTimeout(300);
      await picture("3-finished");
    });

    it("is drawn in the system's colours, light or dark", async () => {
      const background = (): Promise<string> => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
      const light = await background();
      await shown.setTheme("dark");
      expect(light).to.equal("rgb(246, 247, 249)");
      expect(await background()).to.equal("rgb(20, 24, 31)");
    });

    it("fits a small window without scrolling sideways", async () => {
      await shown.shrink();
      const tooWide = (): Promise<number> =>
        page.evaluate(() =>
          Math.max(...["main", ".sidebar", "#runs", "body"].map((name) => {
            const { scrollWidth = 0, clientWidth = 0 } = document.querySelector(name) ?? {};
            return scrollWidth - clientWidth;
          }))
        );
      expect(await tooWide()).to.equal(0);
      await driver.fillIn(SHORT);
      await driver.start();
      await driver.epochShown("Student distilled", 1);
      expect(await tooWide()).to.equal(0);
      await driver.statusIs("finished");
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
      await driver.fillIn({ ...SHORT, Epochs: "300" });
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
      await driver.statusIs("running");
      await page.locator("#stop").focus();
      await page.keyboard.press("Space");
      await driver.statusIs("stopped");
    });

    it("reports an invalid field and focuses it", async () => {
      await driver.fillIn({ "Learning rate": "0" });
      await driver.start();
      await page.getByRole("alert").getByText("INVALID_ARGUMENT").waitFor();
      expect(await page.getByRole("alert").innerText()).to.include("Learning rate: ");
      expect(await page.evaluate(() => document.activeElement?.id)).to.equal("learningRate");
      expect(await page.locator("#learningRate").getAttribute("aria-invalid")).to.equal("true");
      await page.getByLabel("Take trained weights").check();
      await driver.fillIn({ "Learning rate": "0.1" });
      await driver.start();
      await page.getByText("Choose the file of the teacher's weights.").waitFor();
      await page.getByRole("button", { name: "Dismiss" }).click();
      await page.getByRole("alert").waitFor({ state: "hidden" });
    });

    it("reports that the trainer died and what to do, and resumes", async () => {
      const pid = await driver.trainerPid();
      await driver.fillIn({ ...SHORT, Epochs: pictures === undefined ? "300" : "30" });
      await driver.start();
      await driver.epochShown("Teacher", 3);
      process.kill(pid, "SIGKILL");
      await page.getByRole("alert").getByText("WORKER_EXITED").waitFor();
      expect(await page.getByRole("alert").innerText()).to.include("continues from its last checkpoint").and.match(
        kind!.reasonOfKilled,
      );
      await untilGone(pid);
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
      await driver.epochShown("Teacher", 10);
      await page.getByRole("button", { name: "Stop" }).click();
      await driver.statusIs("stopped");
    });

    it("shows its run after its page crashed during training", async () => {
      await driver.fillIn({ ...SHORT, Epochs: "300" });
      await driver.start();
      await driver.epochShown("Teacher", 2);
      use(await shown.crashPage());
      await page.locator("#plan:visible, #run:visible").waitFor();
      await driver.statusIs("running");
      await driver.epochShown("Teacher", 4);
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
      const refused = shown.complaints.splice(0);
      expect(refused.filter((text) => text.includes("Content Security Policy"))).to.have.length.of.at.least(2);
    });

    it("saves when it is closed during training, and resumes the next time", async () => {
      const pid = await driver.trainerPid();
      await driver.fillIn({ ...SHORT, Epochs: "500" });
      await driver.start();
      await driver.epochShown("Teacher", 2);
      await shown.close();
      await untilGone(pid);

      await open();
      await page.getByRole("button", { name: /resnet8 under resnet14/ }).click();
      await driver.statusIs("stopped");
      const before = await driver.epochs("Teacher");
      expect(before).to.be.at.least(2);
      await page.getByRole("button", { name: "Resume" }).click();
      await driver.epochShown("Teacher", before + 1);
    });

    more(() => ({ shown, bench }));
  });
}
