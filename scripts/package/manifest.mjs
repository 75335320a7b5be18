// The fields that the manifests of all packages have in common.

/**
 * The fields of the checkout's manifest that each package has too. `npm publish --provenance` refuses a package without
 * `repository`.
 *
 * @param {Record<string, unknown>} own the checkout's manifest
 */
export function sharedFields({ version, homepage, bugs, repository, engines }) {
  return { version, homepage, bugs, repository, engines };
}
