// Functions whose parameters have no type. The compiler refuses the lines that say so, with --strict and the types of React 18; `missed`
// are those that it refuses and the checker does not. To ask it again: npm install typescript@5.9 @types/react@18, then
// npx tsc --strict --noEmit --jsx react --target es2022 FILE, and look for TS7006, TS7019, TS7031, TS7051 and, of memo, TS2339.
import * as React from "react";
import { useCallback, useMemo, memo, forwardRef, useState, useEffect, useReducer, useRef } from "react";
type H = (e: string) => number; interface P { title: string; onPick: (id: string) => void }
declare function use<T>(x: T): T; declare function take(cb: (n: number, m: string) => void): void; declare const on: boolean; declare let slot: H | undefined;
export const a1 = (x) => x;  // refused
export const a2: H = (x) => 1;
export const a3 = on ? (x) => x : null;  // refused
export const a4: H | null = on ? (x) => 1 : null;
export const a5 = [(x) => x];  // refused
export const a6 = { f: (x) => x, g(y) { return y; } };  // refused
export const a7: { f: H; g: H } = { f: (x) => 1, g(y) { return 1; } };
export const a8 = { f: (x) => 1 } satisfies { f: H };
export const a9 = { f: (x) => 1 } as { f: H };
export const b1 = slot ?? ((x) => 1);
export const b2 = slot || ((x) => 1);
export const b3 = use((x) => x);  // missed
export const b4 = use<H>((x) => 1);
export const b5 = useCallback((e) => e, []);  // refused
export const b6: H = useCallback((e) => 1, []);
export const b7 = useCallback<H>((e) => 1, []);
export const b8 = memo(({ title }) => <p>{title}</p>);  // refused
export const b9 = memo<P>(({ title }) => <p>{title}</p>);
export const c1: React.FC<P> = memo(({ title }) => <p>{title}</p>);
export const c2 = forwardRef<HTMLInputElement, P>(({ title }, ref) => <input ref={ref} title={title} />);
export const c3 = forwardRef((props, ref) => <p />);
export function d1(x) { return (y) => x; }  // refused
export function d2(x: number): (y: number) => number { return (y) => x; }
export const d3 = (x: number) => (y) => y;  // refused
export const d4: (x: number) => (y: number) => number = (x) => (y) => y;
export const d5 = (x: number): H => { return (y) => 1; };
export const d6 = async (x) => x;  // refused
export const d7 = function (x) { return x; };  // refused
export const d8 = function* (x) { yield x; };  // refused
export const d9 = ((x) => x)(1);
export const e1 = (function (x) { return x; })(1);
export class K { m(a) {} static s(a) {} constructor(private p, q = 1) {} f = (x) => x; g: H = (x) => 1; #h(z) {} get v(): number { return 1; } set v(n) {} }  // refused
export class L { m(cb: H = (x) => 1) { take((n, m) => {}); } n(cb = (x) => x) {} }  // refused
export interface I { m(a): void; f: (b) => void; (c): void; new (d): I; o?(e): void; t: H }  // refused
export type T1 = (x) => void;  // refused
export type T2 = { [k: string]: (x) => void };  // refused
export function g1({ a, b }) {}  // refused
export function g2({ a = 1, b = 2 }) {}
export function g3({ a, b }: { a: number; b: number }) {}
export function g4([a, b]) {}  // refused
export function g5(...r) {}  // refused
export function g6(x?) {}  // refused
export function g7(x = 1, y = "a") {}
export function g8({}) {}
export function g9({ a = 1, ...rest }) {}
export function h1({ a: { b } = { b: 1 } }) {}
export function h2({ a = 1 } = {}) {}
export const h3 = <T,>(x: T) => (y) => y;  // refused
export const h4 = <button onClick={(e) => e.currentTarget} ref={(el) => {}} />;
export const h5 = [1, 2].map((x) => x).reduce((a, b) => a + b, 0);
export const h6 = new Promise((resolve, reject) => {});
export const h7 = new Promise<number>(function (resolve) { resolve(1); });
window.onload = (e) => {};
slot = (x) => 1;
export const i1 = useMemo(() => (x) => x, []);  // missed
export const i2 = useMemo<H>(() => (x) => 1, []);
export const [i3] = useState(() => (x: number) => x);
export const i4 = useReducer((s: number, a: string) => s, 0);
export const i5 = { onClick: useCallback((e) => e, []) };  // refused
export const i6 = () => { const f = (e) => e; return f; };  // refused
export const i7 = () => ({ toggle: (v) => v });  // refused
export const i8 = (): { toggle: H } => ({ toggle: (v) => 1 });
export default (x) => x;  // refused
abstract class M { abstract m(a): void; }  // refused
declare function j1(x): void;  // refused
export namespace N { export function f(x) {} }  // refused
try { use(1); } catch (e) { use(e); }
export const j2 = (x: number, y) => x;  // refused
export const j3 = (cb: (e) => void) => cb;  // refused
export const j4 = { ...{ f: (x) => x } };  // missed
export const j5 = use({ f: (x) => x });  // missed
export const j6 = take((n, m) => { const z = (q) => q; });  // refused
export const j7 = <K2 render={(row) => <p>{row}</p>} />; declare function K2(p: { render: (r: string) => React.ReactNode }): JSX.Element;
export const j8 = (x) satisfies H; declare const x: H;
export const j9 = Object.assign((x) => x, { a: 1 });  // missed
export const k1 = (on && ((x) => x)) as H;
export const k2 = useRef((x) => x);  // missed
export const k3 = useRef<H>((x) => 1);
export function k4(this: Window, x) {}  // refused
export const k5 = async function (x: number) { return (y) => y; };  // refused
export const k6 = { async m(x) {}, *g(y) {}, set v(z) {}, get v() { return 1; } };  // refused
export const k7: Record<string, H> = { ["a"]: (x) => 1 };
export const k8 = ((x) => 1)!;  // refused
export const l1 = (x, ) => x;  // refused
export const l2 = function named(x = (y) => y) {};  // refused
export const l3: H = function (x) { return ((z) => 1)("a"); };
export const l4 = (({ a }: { a: number }) => a) as (p: { a: number }) => number;
label: for (const f of [(x) => x]) use(f);  // missed
export const l5 = (0, (x) => x);  // missed
export const l6 = (p: P) => { switch (p.title) { case "a": return (x) => x; default: return null; } };  // refused
export const l7 = { a: { b: [(x) => x] } };  // refused
export function l8(cb: H): void; export function l8(cb: unknown): void {} l8((x) => 1);
export const l9: { a: H[] } = { a: [(x) => 1] };
export const m1 = (x) => { return; };  // refused
export const m2 = class { m(q) {} };  // refused
export const m3 = (a, b: number) => (c: string) => (d) => d;  // refused
export const m4: React.ReactNode = <>{[1].map((n) => <i key={n} onClick={() => use((z) => z)} />)}</>;  // missed
useEffect(() => { const h = (e) => e; window.addEventListener("keydown", (e) => e.key); window.addEventListener("x", h); return () => {}; }, []);  // refused
export const n_a = memo(({ title }) => <p>{title}</p>);  // refused
export const n_b = forwardRef(({ label }, ref) => <p>{label}</p>);  // refused
export const n_c = memo(function Foo({ label }) { return <p>{label}</p>; });  // refused
export const n_d: React.FC<{ title: string }> = memo(({ title }) => <p>{title}</p>);
export const n_e = memo(forwardRef(({ label }, ref) => <p>{label}</p>));  // missed
export const n_f = memo(({ a = 1 }) => <p>{a}</p>);  // missed
export const n_g = forwardRef((props, ref) => <p {...props} />);
export const n_h = useCallback(async (e) => { await e; }, []);  // refused
export const n_i = React.useCallback(function (e) {}, []);  // refused
export const n_j = { x: memo(({ title }) => <p>{title}</p>) };  // refused
export const n_k = () => memo(({ title }) => <p>{title}</p>);  // refused
