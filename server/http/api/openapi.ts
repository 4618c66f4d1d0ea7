/** The OpenAPI 3.1 document, from the contracts. */
import type { FastifyDynamicSwaggerOptions } from '@fastify/swagger'
import { problem, type RouteContract } from '#api/contract.ts'

/** The document's frame. */
export function openApiDocument(base: string): NonNullable<FastifyDynamicSwaggerOptions['openapi']> {
  return {
    openapi: '3.1.0',
    info: {
      title: 'Berth',
      version: '1',
      description: `Management of a Berth registry. All paths are below ${base}. Errors are application/problem+json.`,
    },
    components: {
      schemas: { Problem: problem },
      securitySchemes: {
        basic: { type: 'http', scheme: 'basic' },
        token: { type: 'http', scheme: 'bearer', description: 'A personal access token, a robot secret or a bearer token.' },
        session: { type: 'apiKey', in: 'cookie', name: '__Host-berth-session' },
      },
    },
  } as const
}

/** What Fastify hands to its OpenAPI generator for a route. */
export function openApiOf(contract: RouteContract): Readonly<Record<string, unknown>> {
  const { tag, summary, params, query, body, consumes, demand } = contract
  const isOpen = 'who' in demand && demand.who === 'anyone'
  return {
    operationId: operationIdOf(contract),
    tags: [tag],
    summary,
    ...(params === undefined ? {} : { params }),
    ...(query === undefined ? {} : { querystring: query }),
    ...(body === undefined ? {} : { body }),
    ...(consumes === undefined ? {} : { consumes: [...consumes], body: { type: 'string', format: 'binary', description: 'A stream.' } }),
    response: {
      ...successOf(contract),
      '4XX': problemAnswer('Refused.'),
      '5XX': problemAnswer('A fault; the log has more by the request id.'),
    },
    security: [...(isOpen ? [{}] : []), { basic: [] }, { token: [] }, { session: [] }],
  }
}

function problemAnswer(description: string) {
  return { description, content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } } }
}

function successOf({ response, status, produces }: RouteContract) {
  if (produces !== undefined) {
    const content = Object.fromEntries(produces.map((type) => [type, { schema: { type: 'string' } }]))
    return { [status ?? 200]: { description: 'A stream.', content } }
  }
  return { [status ?? (response === undefined ? 204 : 200)]: response ?? { type: 'null', description: 'Done.' } }
}

/** `getProjectsByProjectGrants` of `GET /projects/{project}/grants`: unique, and the same for as long as the path is. */
function operationIdOf({ method, path }: RouteContract): string {
  const words = path
    .split('/')
    .filter((part) => part !== '')
    .map((part) =>
      part.startsWith('{')
        ? `By${capital(part.slice(1, -1))}`
        : part
            .split(/[^A-Za-z0-9]+/)
            .map(capital)
            .join(''),
    )
  return method.toLowerCase() + words.join('')
}

function capital(word: string): string {
  return word.slice(0, 1).toUpperCase() + word.slice(1)
}
