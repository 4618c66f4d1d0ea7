/**
 * Markdown as elements: what is read becomes React nodes, never HTML, so nothing in a description can become markup or script. Raw HTML is shown as the text
 * that it is; links lead to web and mail addresses alone; images are links, as the page loads nothing from elsewhere.
 */
import { lexer, type Token, type Tokens } from 'marked'
import { Fragment, type ReactNode } from 'react'

const lengthMax = 20_000

export function Markdown({ text }: { readonly text: string }) {
  return <div className="markdown">{blocks(lexer(text.slice(0, lengthMax)))}</div>
}

function blocks(tokens: readonly Token[] | undefined): ReactNode {
  return tokens?.map((token, at) => <Fragment key={at}>{element(token)}</Fragment>)
}

const headings = ['h3', 'h4', 'h5', 'h6', 'h6', 'h6'] as const

function element(token: Token): ReactNode {
  switch (token.type) {
    case 'space':
    case 'def':
      return null
    case 'heading': {
      const Heading = headings[(token as Tokens.Heading).depth - 1] ?? 'h6'
      return <Heading>{blocks(token.tokens)}</Heading>
    }
    case 'paragraph':
      return <p>{blocks(token.tokens)}</p>
    case 'blockquote':
      return <blockquote>{blocks(token.tokens)}</blockquote>
    case 'list':
      return list(token as Tokens.List)
    case 'code':
      return (
        <pre tabIndex={0}>
          <code>{token.text as string}</code>
        </pre>
      )
    case 'hr':
      return <hr />
    case 'table':
      return table(token as Tokens.Table)
    default:
      return inline(token)
  }
}

function inline(token: Token): ReactNode {
  switch (token.type) {
    case 'strong':
      return <strong>{blocks(token.tokens)}</strong>
    case 'em':
      return <em>{blocks(token.tokens)}</em>
    case 'del':
      return <del>{blocks(token.tokens)}</del>
    case 'codespan':
      return <code>{token.text as string}</code>
    case 'br':
      return <br />
    case 'link':
    case 'image':
      return link(token as Tokens.Link | Tokens.Image)
    case 'text':
    case 'escape':
      return 'tokens' in token && token.tokens !== undefined ? blocks(token.tokens) : (token.text as string)
    default:
      // Raw HTML among them.
      return token.raw
  }
}

function link(token: Tokens.Link | Tokens.Image): ReactNode {
  const inside = token.type === 'link' ? blocks(token.tokens) : token.text === '' ? token.href : token.text
  if (!/^(?:https?:\/\/|mailto:)/i.test(token.href)) return inside
  return (
    <a href={token.href} className="text-link" rel="noreferrer nofollow ugc" target="_blank">
      {inside}
    </a>
  )
}

function list({ ordered, items }: Tokens.List): ReactNode {
  const List = ordered ? 'ol' : 'ul'
  return (
    <List>
      {items.map((item, at) => (
        <li key={at}>{blocks(item.tokens)}</li>
      ))}
    </List>
  )
}

function table({ header, rows }: Tokens.Table): ReactNode {
  return (
    <table>
      <thead>
        <tr>
          {header.map((cell, at) => (
            <th key={at} scope="col">
              {blocks(cell.tokens)}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {rows.map((row, at) => (
          <tr key={at}>
            {row.map((cell, column) => (
              <td key={column}>{blocks(cell.tokens)}</td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  )
}
