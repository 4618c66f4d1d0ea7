/** The page that shows the API's documentation to people. */
import fastifySwaggerUi from '@fastify/swagger-ui'
import type { FastifyInstance, FastifyRequest } from 'fastify'

/** All that the page loads is beside it; its scripts are files. */
const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "font-src 'self' data:",
  "connect-src 'self'",
  "object-src 'none'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
].join('; ')

const icon =
  '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><rect width="16" height="16" rx="3" fill="#0b4f6c"/>' +
  '<path d="M5 3h4a2.6 2.6 0 0 1 1.2 4.9A2.8 2.8 0 0 1 9.2 13H5zm2 2v2h2a1 1 0 0 0 0-2zm0 4v2h2.2a1 1 0 0 0 0-2z" fill="#fff"/></svg>'

/** Serves the page at `path`. `isSecure`: the browser came by TLS; told to upgrade what came by plain HTTP, it would find nothing. */
export async function serveDocsPage(
  app: FastifyInstance,
  { path, isSecure }: { readonly path: string; readonly isSecure: (request: FastifyRequest) => boolean },
): Promise<void> {
  await app.register(async (scope) => {
    scope.addHook('onRequest', (request, reply, done) => {
      reply.header('Content-Security-Policy', isSecure(request) ? `${policy}; upgrade-insecure-requests` : policy)
      done()
    })
    await scope.register(fastifySwaggerUi, {
      routePrefix: path,
      logo: null as never,
      theme: {
        title: 'Berth API',
        favicon: [{ filename: 'icon.svg', rel: 'icon', sizes: 'any', type: 'image/svg+xml', content: icon }],
      },
    })
  })
}
