/* table.c - insn.def, opnd.def as data.
 *
 * An operation's columns become constants first, so that the row of each of its encodings can hold them.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "cpu/isa/insn.h"

const struct opnd_info opnd_info[OP_COUNT] = {
#define OPND(name, where, rsize, msize) { #name, W_##where, rsize, msize },
#include "cpu/isa/opnd.def"
#undef OPND
};

/* The sets of flags that the table names. */
enum {
    FL_0 = 0,
    FL_OSZAPCD = FL_ALL | FL_D,
    FL_OSZAPC = FL_ALL,
    FL_OSZAP = FL_ALL & ~FL_C,
    FL_OSZPC = FL_ALL & ~FL_A,
    FL_SZAPC = FL_ALL & ~FL_O,
    FL_OSAPC = FL_ALL & ~FL_Z,
    FL_OSAP = FL_O | FL_S | FL_A | FL_P,
    FL_OSZP = FL_O | FL_S | FL_Z | FL_P,
    FL_SZAP = FL_S | FL_Z | FL_A | FL_P,
    FL_OAC = FL_O | FL_A | FL_C,
    FL_OSZ = FL_O | FL_S | FL_Z,
    FL_SZP = FL_S | FL_Z | FL_P,
    FL_AC = FL_A | FL_C,
    FL_OA = FL_O | FL_A,
    FL_OC = FL_O | FL_C,
    FL_OS = FL_O | FL_S,
    FL_ZC = FL_Z | FL_C,
};

/* The opcode column. */
#define NP         0x1000000
#define OPC_MAP(o) (((o)&0xff00) == 0x0f00 ? MAP_P2 : MAP_P1)
#define OPC_PREFIX(o)              \
    ((o)&NP              ? PFX_pNP \
     : (o) >> 16 == 0x66 ? PFX_p66 \
     : (o) >> 16 == 0xf3 ? PFX_pF3 \
     : (o) >> 16 == 0xf2 ? PFX_pF2 \
                         : PFX_pAny)

/* First pass: the operations and the handlers' names. */
#define OP_IN(name, mnemonic, used, set, und, cls, em, at, feature, modes, priv) \
    static const char OPN_##name[] = mnemonic;                                   \
    enum {                                                                       \
        OPN_##name##_use = FL_##used,                                            \
        OPN_##name##_def = FL_##set,                                             \
        OPN_##name##_undef = FL_##und,                                           \
        OPN_##name##_cls = CLS_##cls,                                            \
        OPN_##name##_emit = EMIT_##em,                                           \
        OPN_##name##_attr = at,                                                  \
        OPN_##name##_feature = FEAT_##feature,                                   \
        OPN_##name##_modes = MODES_##modes,                                      \
        OPN_##name##_priv = PRIV_##priv,                                         \
    };
#define ENC(name, opc, mrm, o1, o2, o3, at, hs)        extern const struct hset h_##hs;
#define ENC_AS(name, em, opc, mrm, o1, o2, o3, at, hs) extern const struct hset h_##hs;
#include "cpu/isa/insn.def"
#undef OP_IN
#undef ENC
#undef ENC_AS

/* Second pass: the encodings. */
#define OP_IN(...)
#define ENC(name, opc, mrm, o1, o2, o3, at, hs)        ROW(name, OPN_##name##_emit, opc, mrm, o1, o2, o3, at, hs)
#define ENC_AS(name, em, opc, mrm, o1, o2, o3, at, hs) ROW(name, EMIT_##em, opc, mrm, o1, o2, o3, at, hs)
#define ROW(name, em, opc, mrm, o1, o2, o3, at, hs) \
    { .map = OPC_MAP(opc),                          \
      .opcode = (opc)&0xff,                         \
      .prefix = OPC_PREFIX(opc),                    \
      .modrm = mrm,                                 \
      .mnemonic = OPN_##name,                       \
      .op = { OP_##o1, OP_##o2, OP_##o3 },          \
      .feature = OPN_##name##_feature,              \
      .modes = OPN_##name##_modes,                  \
      .priv = OPN_##name##_priv,                    \
      .use = OPN_##name##_use,                      \
      .def = OPN_##name##_def,                      \
      .undef = OPN_##name##_undef,                  \
      .cls = OPN_##name##_cls,                      \
      .emit = em,                                   \
      .attr = OPN_##name##_attr | (at),             \
      .h = &h_##hs,                                 \
      .hname = #hs },
const struct insn_row insn_rows[] = {
#include "cpu/isa/insn.def"
};
const unsigned insn_row_count = ARRAY_SIZE(insn_rows);
_Static_assert(ARRAY_SIZE(insn_rows) <= INSN_ROWS_MAX, "INSN_ROWS_MAX is too small");
