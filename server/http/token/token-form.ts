/** The body of a POST to the token end point: a form (RFC 6749 appendix B), small, and each parameter once. */
import { RegistryError } from '#oci/errors.ts'
import type { Exchange } from '#http/exchange.ts'
import { readWholeBody, refuseEncodedBody } from '#http/request-body.ts'

const bodyBytesMax = 64 * 1024
const formType = /^application\/x-www-form-urlencoded *(?:;|$)/i

/** Throws REQUEST_INVALID for another type of body, and with status 413 for a long one. */
export async function readForm(exchange: Exchange): Promise<URLSearchParams> {
  if (!formType.test(exchange.request.headers['content-type'] ?? '')) {
    throw new RegistryError('REQUEST_INVALID', 'send the parameters as application/x-www-form-urlencoded')
  }
  refuseEncodedBody(exchange.request)
  const tooLarge = new RegistryError('REQUEST_INVALID', { limitBytes: bodyBytesMax }, { status: 413 })
  const body = await readWholeBody(exchange, bodyBytesMax, tooLarge)
  return new URLSearchParams(body.toString('utf8'))
}

/** The value of a parameter; undefined when it is absent or empty. Throws REQUEST_INVALID when it stands there twice. */
export function single(parameters: URLSearchParams, name: string): string | undefined {
  const values = parameters.getAll(name)
  if (values.length > 1) throw new RegistryError('REQUEST_INVALID', `${name} stands there more than once`)
  return values[0] === '' ? undefined : values[0]
}
