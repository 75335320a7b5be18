// Actions of tests on the example's page.
import type { Page } from "playwright-core";

export class PageDriver {
  constructor(private readonly page: Page) {}

  /** Fills in fields by their labels. */
  async fillIn(plan: Readonly<Record<string, string>>): Promise<void> {
    for (const [label, value] of Object.entries(plan)) await this.page.getByLabel(label, { exact: true }).fill(value);
  }

  async start(): Promise<void> {
    await this.page.getByRole("button", { name: "Start training" }).click();
  }

  async trainerPid(): Promise<number> {
    return Number(/process (\d+)\./.exec(await this.page.locator("#about").innerText())?.[1]);
  }

  async statusIs(status: string, timeout = 120_000): Promise<void> {
    await this.page.locator(`#run-status[data-status="${status}"]`).waitFor({ timeout });
  }

  /** The number of epochs of a part in the table. */
  async epochs(part: string): Promise<number> {
    const { head, rows } = await this.page.evaluate(() => ({
      head: [...document.querySelectorAll("#table th")].map((cell) => cell.textContent),
      rows: [...document.querySelectorAll("#table tbody tr")].map((row) =>
        [...row.querySelectorAll("td")].map((cell) => cell.textContent)
      ),
    }));
    const column = head.indexOf(`${part}: accuracy`);
    return rows.filter((cells) => (cells[column] ?? "–") !== "–").length;
  }

  /** Waits until the table of epochs shows that many epochs of a part. */
  async epochShown(part: string, epoch: number): Promise<void> {
    await this.page.waitForFunction(([name, wanted]) => {
      const head = [...document.querySelectorAll("#table th")].findIndex((cell) =>
        cell.textContent === `${name}: accuracy`
      );
      const cell = document.querySelector(`#table tbody tr:nth-child(${String(wanted)}) td:nth-child(${head + 1})`);
      return cell !== null && cell.textContent !== "–";
    }, [part, epoch] as const, { timeout: 600_000 });
  }

  /** The number of pixels of a chart that have a colour of the style sheet. */
  inked(chart: string, colour: string): Promise<number> {
    return this.page.evaluate(([id, name]) => {
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
  }
}
