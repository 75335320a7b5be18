import cliProgress from "cli-progress";

/** A progress bar on the terminal of standard output, drawn from its first update on. */
export interface Bar {
  update(done: number, total: number, text: { readonly label: string; readonly text: string }): void;
  /** Removes the bar and leaves the cursor at the start of an empty line. */
  clear(): void;
}

/** Creates a bar that is redrawn in place. Only for terminals. */
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
      // The bar disables line wrapping, so an exit in between must enable it again.
      process.once("exit", clear);
      bar.start(total, done, text);
    },
    clear,
  };
}
