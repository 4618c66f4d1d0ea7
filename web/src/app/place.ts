/** Where this page is: what the server put into the document. */

const script = document.querySelector<HTMLScriptElement>('script[nonce]')

/** Style elements that are made here must carry it. */
export const styleNonce = script?.nonce ?? ''
// The scroll lock of dialogs makes its own style element, and takes the nonce from here.
Object.assign(globalThis, { __webpack_nonce__: styleNonce })

/** The path that everything stands below; starts and ends with `/`. */
export const prefix = new URL('../', new URL(script?.src ?? import.meta.url)).pathname

/** `host:port`, as names of images begin here. A registry below a path has the path only in its API, never in names. */
export const registryHost = location.host

/**
 * What tools must be told where there is no TLS; docker takes such a registry on the machine itself, and from its own configuration elsewhere.
 * Each begins with a space, or is nothing.
 */
export const plainFlags =
  location.protocol === 'http:'
    ? { docker: '', podman: ' --tls-verify=false', helm: ' --plain-http', containerd: ' --plain-http' }
    : { docker: '', podman: '', helm: '', containerd: '' }
