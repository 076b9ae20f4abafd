import{a}from"./chunk-PNIAXAI5.js";import"./chunk-IDRZOYHG.js";import"./chunk-HWPHBUSO.js";import"./chunk-IYWUY3VA.js";export{a as initialize};
