import cliProgress from "cli-progress";

/** A bar on the terminal behind standard output, drawn from its first update on. */
export interface Bar {
  update(done: number, total: number, text: { readonly label: string; readonly text: string }): void;
  /** Takes the bar away and leaves the cursor at the start of an empty line. */
  clear(): void;
}

/** A bar that is redrawn in place. For terminals only. */
export function openBar(): Bar {
  let bar: cliProgress.SingleBar | undefined;

  const clear = (): void => {
    process.off("exit", clear);
    bar?.stop();
    bar = undefined;
  };

  return {
    update(done, total, text) {
      if (bar !== undefined) {
        bar.update(done, text);
        return;
      }
      bar = new cliProgress.SingleBar({
        format: "{label} [{bar}] {percentage}%  {text}",
        stream: process.stdout,
        barsize: 20,
        barCompleteChar: "#",
        barIncompleteChar: "-",
        clearOnComplete: true,
        gracefulExit: false,
      });
      // The bar turns line wrapping off: an exit in between must turn it on again.
      process.once("exit", clear);
      bar.start(total, done, text);
    },
    clear,
  };
}
