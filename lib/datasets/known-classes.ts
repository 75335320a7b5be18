/**
 * The classes that are known from a network, in Unicode's composed form, if they include all that data have.
 *
 * @param own - names of the data's classes, in that form.
 */
export function knownClasses(own: readonly string[], known: readonly string[] | undefined): string[] | undefined {
  const names = known?.map((name) => name.normalize("NFC"));
  const set = new Set(names);
  return own.every((name) => set.has(name)) ? names : undefined;
}
