import { sendRequest } from '../support/http-client.ts'

export interface BrowserReply {
  readonly status: number
  readonly body: Readonly<Record<string, unknown>>
  readonly location: string | undefined
  readonly setCookies: readonly string[]
}

export interface BrowserOptions {
  /** Trusted beside nothing else. */
  readonly ca?: string
  /** In place of the mark of a page of the site itself. */
  readonly headers?: Readonly<Record<string, string>>
}

/** What a browser does and a program does not: keeps cookies by host, sends them by itself, and says which page a request comes from. */
export class Browser {
  readonly #jar = new Map<string, Map<string, string>>()
  readonly #url: string

  constructor(url: string) {
    this.#url = url.replace(/\/$/, '')
  }

  /** Cookies of the registry's host. */
  get cookies(): Map<string, string> {
    return this.#jarOf(new URL(this.#url))
  }

  #jarOf({ host }: URL): Map<string, string> {
    const jar = this.#jar.get(host) ?? new Map<string, string>()
    this.#jar.set(host, jar)
    return jar
  }

  async call(method: string, path: string, body?: unknown, options: BrowserOptions = {}): Promise<BrowserReply> {
    const type = body === undefined ? {} : { 'content-type': 'application/json' }
    const headers = { 'sec-fetch-site': 'same-origin', ...type, ...options.headers }
    return await this.visit(`${this.#url}/api/v1${path}`, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      ca: options.ca,
    })
  }

  /** One request to any host, redirects not followed. */
  async visit(
    url: string,
    request: {
      readonly method?: string
      readonly headers?: Readonly<Record<string, string>>
      readonly body?: string | undefined
      readonly ca?: string | undefined
    } = {},
  ): Promise<BrowserReply> {
    const jar = this.#jarOf(new URL(url))
    const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join('; ')
    const { body, ca, method = 'GET' } = request
    const answer = await sendRequest(url, {
      method,
      headers: { ...(cookie === '' ? {} : { cookie }), ...request.headers },
      ...(body === undefined ? {} : { body }),
      ...(ca === undefined ? {} : { ca }),
    })
    const setCookies = answer.headers['set-cookie'] ?? []
    for (const line of setCookies) keep(jar, line)
    return { status: answer.status, body: parsed(answer.body.toString()), location: answer.headers.location, setCookies }
  }
}

function keep(jar: Map<string, string>, line: string): void {
  const [pair = '', ...attributes] = line.split(/; ?/)
  const mark = pair.indexOf('=')
  const name = pair.slice(0, mark)
  const isOver = attributes.some((each) => /^(?:max-age=0|expires=thu, 01 jan 1970)/i.test(each))
  if (isOver) jar.delete(name)
  else jar.set(name, pair.slice(mark + 1))
}

function parsed(text: string): BrowserReply['body'] {
  try {
    return JSON.parse(text) as BrowserReply['body']
  } catch {
    return { text }
  }
}
