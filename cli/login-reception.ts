/**
 * Where the browser brings the code of a login to: a listener on loopback (RFC 8252 §7.3), open for one login only.
 *
 * Any page in any browser of this machine can send requests here, so a request counts only with the `state` of this login; all others are turned away, and
 * the waiting goes on. The browser gets its answer when it is known whether the code was good for something.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** What came back: a code, or a no. */
export type Verdict = { readonly code: string } | { readonly refusal: string }

/** An open listener. */
export interface Reception extends AsyncDisposable {
  /** Where the server sends the browser. */
  readonly redirectUri: string
  /** The first answer to this login. */
  readonly arrived: Promise<Verdict>
  /** Tells the browser how it ended; without it the browser is told that it did not work. */
  tell(isLoggedIn: boolean): void
}

const codeText = /^[A-Za-z0-9_-]{43}$/

/** What the query of the address says where the browser ends; undefined when it is no answer to this login. */
export function verdictOf(query: URLSearchParams, state: string): Verdict | undefined {
  if (query.getAll('state').length !== 1 || query.get('state') !== state) return undefined
  const [code, error] = [query.get('code'), query.get('error')]
  if (error !== null) return { refusal: error }
  return code !== null && codeText.test(code) ? { code } : undefined
}

/** What somebody pasted: the whole address where the browser ended, or the code alone. */
export function verdictOfPasted(text: string, state: string): Verdict | undefined {
  const trimmed = text.trim()
  if (codeText.test(trimmed)) return { code: trimmed }
  const url = URL.parse(trimmed)
  return url === null ? undefined : verdictOf(url.searchParams, state)
}

/** Begins to listen, on a port that the system chooses. */
export async function openReception(state: string): Promise<Reception> {
  const { promise: arrived, resolve } = Promise.withResolvers<Verdict>()
  const { promise: ended, resolve: tell } = Promise.withResolvers<boolean>()
  const server = createServer()
  const redirectUri = await listen(server)
  const { host } = new URL(redirectUri)
  server.on('request', (request, response) => {
    const verdict = request.headers.host === host ? verdictOfRequest(request, state) : undefined
    if (verdict === undefined) {
      answer(response, 404, 'Not the address of this login.')
      return
    }
    resolve(verdict)
    void ended.then((isLoggedIn) => answer(response, 200, closing(request, isLoggedIn)))
  })
  return {
    redirectUri,
    arrived,
    tell,
    async [Symbol.asyncDispose]() {
      tell(false)
      await close(server)
    },
  }
}

async function listen(server: Server): Promise<string> {
  try {
    await listenOn(server, '127.0.0.1')
  } catch {
    // A machine without IPv4.
    await listenOn(server, '::1')
  }
  const { port, family } = server.address() as AddressInfo
  return `http://${family === 'IPv6' ? '[::1]' : '127.0.0.1'}:${port}/`
}

function listenOn(server: Server, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, host, () => {
      server.off('error', reject)
      resolve()
    })
  })
}

function verdictOfRequest({ method, url = '' }: IncomingMessage, state: string): Verdict | undefined {
  if (method !== 'GET' || !url.startsWith('/?')) return undefined
  return verdictOf(new URLSearchParams(url.slice(2)), state)
}

const sentences = {
  en: {
    done: 'You are logged in. Close this window and go back to the terminal.',
    failed: 'You are not logged in: the terminal says why.',
  },
  zh: { done: '登录成功。请关闭此窗口并返回终端。', failed: '登录未成功：原因见终端。' },
} as const

function closing({ headers }: IncomingMessage, isLoggedIn: boolean): string {
  const language = /^zh\b/i.test(headers['accept-language'] ?? '') ? 'zh' : 'en'
  return sentences[language][isLoggedIn ? 'done' : 'failed']
}

/** The code stands in the address of this page: nothing of it is told to anybody, or kept. */
function answer(response: ServerResponse, status: number, sentence: string): void {
  response.writeHead(status, {
    'content-type': 'text/html; charset=utf-8',
    'cache-control': 'no-store',
    'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff',
    connection: 'close',
  })
  response.end(`<!doctype html><meta charset="utf-8"><title>Berth</title><p>${sentence}</p>\n`)
}

/** A browser that has been answered is let go; one that only holds a connection open is not waited for. */
async function close(server: Server): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()))
  const timer = setTimeout(() => server.closeAllConnections(), 500)
  server.closeIdleConnections()
  await closed
  clearTimeout(timer)
}
