/** An admission check: which `urls` the layers of a manifest may name (registry:2's `validation.manifests.urls`). */
import { RegistryError } from '#oci/errors.ts'
import type { AdmissionCheck } from './registry.ts'

/** Both lists hold sources of regular expressions; `deny` counts more than `allow`. */
export interface LayerUrlRules {
  /** Sources of regular expressions; undefined: any URL that is not denied. */
  readonly allow: readonly string[] | undefined
  readonly deny: readonly string[] | undefined
}

/** Longer URLs are refused before an expression of the operator's sees them. */
const urlMaxLength = 2_048
/** A URL that a client may be sent to: http or https, with a host. */
const webUrl = /^https?:\/\/[^/]/i

/** As registry:2 does: a URL must match `allow` where there is one, and must not match `deny`. Throws on an expression that does not parse. */
export function checkLayerUrls(rules: LayerUrlRules): AdmissionCheck {
  const allow = rules.allow?.map((source) => new RegExp(source))
  const deny = rules.deny?.map((source) => new RegExp(source)) ?? []
  const isAllowed = (url: string) =>
    url.length <= urlMaxLength &&
    webUrl.test(url) &&
    (allow?.some((rule) => rule.test(url)) ?? true) &&
    !deny.some((rule) => rule.test(url))
  return {
    name: 'layer-urls',
    operations: ['push'],
    async check({ manifest }) {
      for (const layer of manifest?.layers ?? []) {
        const refused = layer.urls?.find((url) => !isAllowed(url))
        if (refused !== undefined)
          throw new RegistryError('MANIFEST_INVALID', `layer ${layer.digest} names a URL that this registry does not allow`)
      }
    },
  }
}
