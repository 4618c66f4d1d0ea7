/**
 * A chart over time, drawn as SVG without a library: lines of up to three colours that differ in their strokes too, gaps where nothing is known, the values
 * under the pointer beside the names, and the same numbers as a table for whoever reads rather than looks.
 */
import { useElementSize } from '@mantine/hooks'
import { useId, useState, type PointerEvent } from 'react'
import { useTranslation } from 'react-i18next'
import { timeZone } from '../app/time-zone.ts'
import './chart.css'
import './legend.css'

/** One line. Null: not known. */
export interface Series {
  readonly name: string
  readonly values: readonly (number | null)[]
}

interface ChartProps {
  readonly label: string
  /** RFC 3339, one for each value. */
  readonly instants: readonly string[]
  /** Days are those of UTC. */
  readonly step: 'hour' | 'day'
  readonly series: readonly Series[]
  readonly format: (value: number) => string
  /** How high it is at least, where there is little or nothing. */
  readonly least: number
}

const height = 168
const inset = { top: 10, right: 12, bottom: 24, left: 62 }

export function Chart({ label, instants, step, series, format, least }: ChartProps) {
  const { t } = useTranslation()
  const { ref, width } = useElementSize()
  const [at, setAt] = useState<number>()
  const words = useInstants(step)
  const top = ceilingOf(Math.max(least, ...series.flatMap(({ values }) => values.map((value) => value ?? 0))))
  const across = Math.max(1, width - inset.left - inset.right)
  const x = (index: number) => inset.left + (instants.length < 2 ? across / 2 : (index / (instants.length - 1)) * across)
  const y = (value: number) => inset.top + (1 - value / top) * (height - inset.top - inset.bottom)
  const point = (event: PointerEvent<SVGSVGElement>) => {
    const { left } = event.currentTarget.getBoundingClientRect()
    const share = (event.clientX - left - inset.left) / across
    setAt(Math.max(0, Math.min(instants.length - 1, Math.round(share * (instants.length - 1)))))
  }
  const isKnown = series.some(({ values }) => values.some((value) => value !== null))
  const pointed = at === undefined ? undefined : instants[at]
  return (
    <figure className="chart">
      <figcaption className="legend">
        {series.map(({ name, values }, index) => {
          const value = at === undefined ? undefined : values[at]
          return (
            <span key={name}>
              <Stroke index={index} /> {name}
              {value !== undefined && <b className="number">{value === null ? t('overview.unknown') : format(value)}</b>}
            </span>
          )
        })}
        <span className="number" style={{ marginLeft: 'auto' }}>
          {pointed === undefined ? '' : words.exact(pointed)}
        </span>
      </figcaption>
      <div ref={ref} style={{ height }}>
        {width > 0 && (
          <svg width={width} height={height} role="img" aria-label={label} onPointerMove={point} onPointerLeave={() => setAt(undefined)}>
            {[0, 0.5, 1].map((share) => (
              <g key={share}>
                <line className="chart-grid" x1={inset.left} x2={width - inset.right} y1={y(top * share)} y2={y(top * share)} />
                <text className="chart-text" x={inset.left - 8} y={y(top * share) + 4} textAnchor="end">
                  {format(top * share)}
                </text>
              </g>
            ))}
            {ticksOf(instants.length, width).map((index) => (
              <text
                key={index}
                className="chart-text"
                x={x(index)}
                y={height - 6}
                textAnchor={index === 0 ? 'start' : index === instants.length - 1 ? 'end' : 'middle'}
              >
                {words.short(instants[index] ?? '')}
              </text>
            ))}
            {series.map(({ name, values }, index) => (
              <Line key={name} index={index} points={values.map((value, place) => (value === null ? undefined : [x(place), y(value)]))} />
            ))}
            {at !== undefined && <line className="chart-cursor" x1={x(at)} x2={x(at)} y1={inset.top} y2={height - inset.bottom} />}
            {!isKnown && (
              <text className="chart-text" x={width / 2} y={height / 2} textAnchor="middle">
                {t('overview.unknown')}
              </text>
            )}
          </svg>
        )}
      </div>
      <Numbers label={label} instants={instants} series={series} format={format} words={words} />
    </figure>
  )
}

type Point = readonly [number, number] | undefined

function Line({ index, points }: { readonly index: number; readonly points: readonly Point[] }) {
  let path = ''
  let isDrawing = false
  for (const point of points) {
    if (point !== undefined) path += `${isDrawing ? 'L' : 'M'}${point[0].toFixed(1)} ${point[1].toFixed(1)}`
    isDrawing = point !== undefined
  }
  // One that is known alone between unknown ones is no line: it is a dot.
  const alone = points.filter((point, at) => point !== undefined && points[at - 1] === undefined && points[at + 1] === undefined)
  return (
    <g className={`series-${index + 1}`}>
      <path d={path} className="chart-line" />
      {alone.map((point) => point !== undefined && <circle key={point[0]} cx={point[0]} cy={point[1]} r={2.5} className="chart-dot" />)}
    </g>
  )
}

function Stroke({ index }: { readonly index: number }) {
  return (
    <svg width="18" height="8" aria-hidden className={`series-${index + 1}`}>
      <path d="M0 4L18 4" className="chart-line" />
    </svg>
  )
}

/** The least of 1, 2, 4, 6 and 8 times a power of ten that is not below: half of it reads well too. */
function ceilingOf(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value))
  return ([1, 2, 4, 6, 8].find((step) => step * power >= value) ?? 10) * power
}

/** Which instants are named below: as many as there is room for, evenly, the first and the last among them. */
function ticksOf(count: number, width: number): readonly number[] {
  const wanted = Math.max(2, Math.min(6, count, Math.floor(width / 110)))
  if (count < 2) return count === 1 ? [0] : []
  return Array.from({ length: wanted }, (_, at) => Math.round((at / (wanted - 1)) * (count - 1)))
}

interface InstantWords {
  readonly short: (at: string) => string
  readonly exact: (at: string) => string
}

function useInstants(step: 'hour' | 'day'): InstantWords {
  const { i18n } = useTranslation()
  const zone = step === 'day' ? 'UTC' : timeZone()
  const write = (options: Intl.DateTimeFormatOptions) => {
    const format = new Intl.DateTimeFormat(i18n.language, { ...options, timeZone: zone })
    return (at: string) => format.format(new Date(at))
  }
  return step === 'day'
    ? { short: write({ day: 'numeric', month: 'short' }), exact: write({ dateStyle: 'medium' }) }
    : {
        short: write({ day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit' }),
        exact: write({ dateStyle: 'medium', timeStyle: 'short' }),
      }
}

interface NumbersProps extends Pick<ChartProps, 'label' | 'instants' | 'series' | 'format'> {
  readonly words: InstantWords
}

/** Latest first. It is made when it is opened. */
function Numbers({ label, instants, series, format, words }: NumbersProps) {
  const { t } = useTranslation()
  const id = useId()
  const [isOpen, setOpen] = useState(false)
  return (
    <>
      <button type="button" className="chart-more" aria-expanded={isOpen} aria-controls={id} onClick={() => setOpen(!isOpen)}>
        {t('overview.table')}
      </button>
      <div
        id={id}
        className="chart-table"
        hidden={!isOpen}
        {...(isOpen && { tabIndex: 0, role: 'region', 'aria-label': `${label}: ${t('overview.table')}` })}
      >
        {isOpen && (
          <table className="table" aria-label={label}>
            <thead>
              <tr>
                <th scope="col">{t('overview.time')}</th>
                {series.map(({ name }) => (
                  <th key={name} scope="col" className="end">
                    {name}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {instants
                .map((instant, at) => (
                  <tr key={instant}>
                    <th scope="row">{words.exact(instant)}</th>
                    {series.map(({ name, values }) => {
                      const value = values[at] ?? null
                      return (
                        <td key={name} className="end number">
                          {value === null ? '–' : format(value)}
                        </td>
                      )
                    })}
                  </tr>
                ))
                .reverse()}
            </tbody>
          </table>
        )}
      </div>
    </>
  )
}
